// The image that a machine's memory is mapped from.
import { fstatSync } from "node:fs";
import { MIB, WrennError } from "@wrenn/core";
import type { MachineSpec } from "./vmm.ts";

/** Bytes of an image that take no memory yet. Throws `invalid_argument` when it is not as large as the guest's memory. */
export function imageHoles(spec: Pick<MachineSpec, "memoryMb">, fd: number | undefined): number {
  if (fd === undefined) return 0;
  const { size, blocks } = fstatSync(fd);
  if (size !== spec.memoryMb * MIB) {
    throw new WrennError(
      "invalid_argument",
      `a memory image of ${size} bytes is not one of ${spec.memoryMb} MiB`,
    );
  }
  return Math.max(0, size - blocks * 512);
}
