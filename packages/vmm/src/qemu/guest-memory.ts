// Where a QEMU process holds its guest's memory.
import { MIB, WrennError } from "@wrenn/core";
import { type ProcessIdentity, ProcessMemory } from "@wrenn/linux";
import { MEMORY_ID } from "./arguments.ts";
import type { QmpSession } from "./session.ts";

/**
 * QEMU is asked for the address of the guest's first byte; the rest follows it, also where the guest sees a gap. The
 * address is believed only as far as that process has private writable memory there.
 */
export async function openGuestMemory(
  session: QmpSession,
  process: ProcessIdentity,
  memoryMb: number,
): Promise<ProcessMemory> {
  // A command of the human monitor: QMP itself has none for it.
  const answer = await session.execute<string>("human-monitor-command", { "command-line": "gpa2hva 0" });
  const match = new RegExp(`\\(${MEMORY_ID}\\) is 0x([0-9a-f]{1,13})\\s*$`).exec(answer);
  const start = Number.parseInt(match?.[1] ?? "", 16);
  if (!Number.isSafeInteger(start) || start % 4096 !== 0) {
    throw new WrennError(
      "internal",
      `QEMU does not say where the guest's memory is: ${answer.slice(0, 200)}`,
    );
  }
  return ProcessMemory.open(process, { start, bytes: memoryMb * MIB });
}
