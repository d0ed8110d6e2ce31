// Points in time on the wire.

/** A host's word for a point in time: milliseconds since the epoch, 0 = never. */
export function atTime(unixMs: bigint): Date | null {
  return unixMs === 0n ? null : new Date(Number(unixMs));
}
