// Writing what a snapshot has and its base has not into a machine that shares the base's memory image.
import { difference, type SnapshotStore } from "@wrenn/snapshot";
import type { GuestMemory } from "@wrenn/vmm";

/** The function that fills a machine's memory before its devices are loaded. It throws `snapshot_damaged`. */
export function fillFrom(
  snapshots: SnapshotStore,
  { base, snapshot }: { base: string; snapshot: string },
): (memory: GuestMemory) => Promise<void> {
  return async (memory) => {
    const changes = difference(await snapshots.map(base), await snapshots.map(snapshot));
    await snapshots.written.visit(changes, (piece) => {
      if (piece.kind === "data") memory.write(piece.offset, piece.bytes);
      else writeZeros(memory, piece);
    });
  };
}

const ZEROS = new Uint8Array(1024 * 1024);

function writeZeros(memory: GuestMemory, { offset, length }: { offset: number; length: number }): void {
  for (let done = 0; done < length; done += ZEROS.length) {
    memory.write(offset + done, ZEROS.subarray(0, Math.min(ZEROS.length, length - done)));
  }
}
