// What is wrong with a request, and what the service must say about it: the first thing that is wrong, in the
// order that the API promises.

/** In the order in which they are looked at. `route`: the path may lead nowhere. `host`: only the host can tell. */
const LAYERS = ["route", "size", "key", "resource", "state", "input", "host"] as const;
export type Layer = (typeof LAYERS)[number];

export interface Fault {
  layer: Layer;
  /** Statuses that are a right answer to it. */
  statuses: readonly number[];
  /** For people. */
  what: string;
  /** The error must name the field, if nothing else is wrong. */
  named?: true;
}

/**
 * The statuses that a request with these faults may get; nothing when none is wrong. `early` are those that may come
 * as soon as the key is known to be good.
 */
export function expectedStatuses(
  faults: readonly Fault[],
  early: readonly number[] = [],
): Set<number> | undefined {
  const layer = LAYERS.find((candidate) => faults.some((fault) => fault.layer === candidate));
  if (layer === undefined) return undefined;
  const first = faults.filter((fault) => fault.layer === layer).flatMap(({ statuses }) => statuses);
  // A path that the router may or may not take: if it does, the rest counts.
  const rest = layer === "route" ? faults.filter((fault) => fault.layer !== layer) : [];
  const behindKey = layer === "route" || LAYERS.indexOf(layer) > LAYERS.indexOf("key");
  return new Set([...first, ...(expectedStatuses(rest, early) ?? []), ...(behindKey ? early : [])]);
}
