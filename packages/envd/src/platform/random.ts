// Randomness.
import { closeSync, openSync, readSync } from "node:fs";

/**
 * Random bytes as hex digits, read from the kernel at each use. Generators in user space (`node:crypto`,
 * `Math.random`) are cloned together with the guest's memory, and so is what they have drawn ahead; the kernel's is
 * reseeded in each clone by `/init`. Nothing else in the agent may draw random numbers.
 */
export function randomHex(bytes: number): string {
  const buffer = Buffer.alloc(bytes);
  const fd = openSync("/dev/urandom", "r");
  try {
    for (let at = 0; at < bytes; ) at += readSync(fd, buffer, at, bytes - at, null);
  } finally {
    closeSync(fd);
  }
  return buffer.toString("hex");
}
