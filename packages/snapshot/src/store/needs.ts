// Who needs what: the closure over manifests that decides what stays.
import type { Manifest } from "../manifest/manifest.ts";

/** What of one snapshot is needed, and by whom: labels of roots. */
export interface Need {
  /** As a snapshot: to continue from it, or as the memory that others are started from. */
  whole: Set<string>;
  /** Only its `memory.bin`. */
  memory: Set<string>;
  /** Only its disk layer. */
  disk: Set<string>;
}

export interface Root {
  id: string;
  /** `sandbox sb-…`, `template minimal`, … */
  label: string;
  /** Its disk's layers alone are needed, by a disk that lies on them; default: all of it. */
  part?: "disk";
}

/**
 * What the roots need, by snapshot. A root is needed whole, and so is the base of whatever is; of the builds that its
 * header refers to the pages are, and of its disk's layers the layers. Parents are not: a header is flat. Roots that
 * are not there are left out.
 */
export function needsOf(roots: Iterable<Root>, manifests: ReadonlyMap<string, Manifest>): Map<string, Need> {
  const needs = new Map<string, Need>();
  const need = (id: string): Need => {
    const known = needs.get(id) ?? noNeed();
    needs.set(id, known);
    return known;
  };
  for (const { id: root, label, part } of roots) {
    if (part === "disk") {
      need(root).disk.add(label);
      continue;
    }
    for (let id: string | null = root; id !== null; ) {
      const manifest: Manifest | undefined = manifests.get(id);
      if (manifest === undefined || need(id).whole.has(label)) break;
      need(id).whole.add(label);
      for (const build of manifest.builds) need(build).memory.add(label);
      for (const layer of manifest.disk) if (layer.kind === "snapshot") need(layer.id).disk.add(label);
      id = manifest.base;
    }
  }
  return needs;
}

export function noNeed(): Need {
  return { whole: new Set(), memory: new Set(), disk: new Set() };
}
