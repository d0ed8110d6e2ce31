// Giving a snapshot with a long history a short one: a new snapshot that says the same and takes its place.
import { link, rename, rm, stat } from "node:fs/promises";
import { type MergeHelp, mergeLayers } from "../disk/merge-layers.ts";
import { type DiskLayerRef, type Manifest, type SnapshotFacts, tscOf } from "../manifest/manifest.ts";
import { livePages } from "../mapping/live.ts";
import { PAGE_BYTES } from "../mapping/page-map.ts";
import type { Draft } from "../store/draft.ts";
import type { Snapshot, SnapshotStore } from "../store/store.ts";
import {
  type BuildUse,
  buildsToRewrite,
  COMPACT_POLICY,
  type CompactPolicy,
  layersToMerge,
} from "./policy.ts";

export interface CompactOptions {
  store: SnapshotStore;
  id: string;
  /** Records durably that whoever used the old id uses the new one. The new snapshot is held until it resolves. */
  record: (snapshot: Snapshot) => Promise<void>;
  /** Without it disk layers are left as they are. */
  disk?: MergeHelp | undefined;
  policy?: CompactPolicy | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Rewrites a snapshot when the policy says so; undefined when not. The old one stays until nobody needs it and
 * `collect` comes by: a crash at any time leaves the old one in use, or the new one, and the other is garbage. Machines
 * that were started from the old one's memory image keep it as their base.
 */
export async function compactSnapshot(options: CompactOptions): Promise<Snapshot | undefined> {
  const { store, id, policy = COMPACT_POLICY, signal } = options;
  using _hold = store.hold(id);
  const { manifest } = store.get(id);
  const builds = buildsToRewrite(await usesOf(store, id), policy);
  const layers = options.disk ? layersToMerge(await layerSizes(store, manifest), policy) : 0;
  if (builds.length === 0 && layers === 0) return undefined;
  // Copies get checksums and lengths of their own: a damage that is copied would be none any more.
  await store.written.assertPages(builds, signal);
  await store.written.assertDevices(id, signal);
  await store.written.assertLengths(manifest.disk);
  await using draft = await store.rewrite(id);
  await draft.copyPages(new Set(builds), { signal });
  await link(store.get(id).devicesPath, draft.devicesPath);
  const disk = await bringDisk(options, { manifest, draft, layers });
  const snapshot = await draft.commit({ ...factsOf(manifest), disk });
  await options.record(snapshot);
  return snapshot;
}

/** How much the snapshot uses of each build that is not kept by its base anyway. */
async function usesOf(store: SnapshotStore, id: string): Promise<BuildUse[]> {
  const { base } = store.get(id).manifest;
  const kept = new Set(base === null ? [] : store.get(base).manifest.builds);
  const live = [...livePages(await store.map(id))].filter(([build]) => !kept.has(build));
  const use = async ([build, pages]: [string, number]) => {
    const { size } = await stat(store.layout.file(build, "memory"));
    return { id: build, live: pages, stored: size / PAGE_BYTES };
  };
  return Promise.all(live.map(use));
}

async function layerSizes(store: SnapshotStore, manifest: Manifest): Promise<number[]> {
  const layers = manifest.disk.filter((layer) => layer.kind === "snapshot");
  return Promise.all(layers.map(async (layer) => (await stat(store.diskPath(layer))).blocks * 512));
}

/** Puts the snapshot's own layers into the draft, merged or linked; returns the layers below it. */
async function bringDisk(
  { store, id, disk, signal }: CompactOptions,
  { manifest, draft, layers }: { manifest: Manifest; draft: Draft; layers: number },
): Promise<DiskLayerRef[]> {
  if (layers === 0 || !disk) {
    const own = manifest.disk.filter((layer) => layer.kind === "snapshot" && layer.id === id);
    for (const index of own.keys()) await link(store.diskPath({ id, index }), draft.diskPath(index));
    return manifest.disk.slice(0, manifest.disk.length - own.length);
  }
  const below = manifest.disk.slice(0, manifest.disk.length - layers);
  const paths = store.diskLayers(id, disk.image);
  const scratch = `${draft.dir}/merge`;
  const merged = await mergeLayers({
    below: paths.slice(0, below.length),
    layers: paths.slice(below.length).map(({ path }) => path),
    diskMb: manifest.diskMb,
    scratch,
    help: disk,
    signal,
  });
  await rename(merged, draft.diskPath(0));
  await rm(scratch, { recursive: true });
  return below;
}

function factsOf(manifest: Manifest): SnapshotFacts {
  const { createdAt, vcpus, diskMb, accelerator, vmm, images, commandLine, token, template, disk } = manifest;
  const tsc = tscOf(manifest);
  return { createdAt, vcpus, diskMb, accelerator, vmm, images, commandLine, ...tsc, token, template, disk };
}
