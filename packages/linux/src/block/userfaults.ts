// Whether programs without privileges may use userfaultfd: allowed for the first instance that needs it, put back by the last.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_RUN_DIR, type HostSide } from "../run/host-side.ts";
import { withMachineLock } from "./machine-lock.ts";

/** Documentation/admin-guide/sysctl/vm.rst of the kernel; 0 by default since 5.11. Absent without CONFIG_USERFAULTFD. */
const SETTING = "/proc/sys/vm/unprivileged_userfaultfd";

/** What the machine was like before the first instance. Kept in the run directory. */
interface Before {
  users: number[];
  value: string;
}

/** Whether a VMM, which has no capability, may resolve faults of its own that happen in the kernel. */
export function mayUseUserfaults(): boolean {
  return existsSync(SETTING) && read() === "1";
}

/**
 * Allows it. QEMU before 8.0 has no other way to receive memory while its guest runs. For the whole machine: the kernel
 * knows no narrower way. What it was is recorded first.
 */
export async function allowUserfaults(block: number, host: Pick<HostSide, "runDir"> = {}): Promise<void> {
  await withMachineLock(host.runDir, async () => {
    const before = readBefore(host) ?? { users: [], value: read() };
    if (!before.users.includes(block)) before.users.push(block);
    writeBefore(host, before);
    writeFileSync(SETTING, "1");
  });
}

/** Undoes {@link allowUserfaults}, for whoever has it; the last one puts the machine back as it was. */
export async function withdrawUserfaults(block: number, host: Pick<HostSide, "runDir"> = {}): Promise<void> {
  if (!existsSync(recordFile(host))) return;
  await withMachineLock(host.runDir, async () => {
    const before = readBefore(host);
    if (!before) return;
    before.users = before.users.filter((user) => user !== block);
    if (before.users.length > 0) return writeBefore(host, before);
    writeFileSync(SETTING, before.value);
    rmSync(recordFile(host));
  });
}

function read(): string {
  return readFileSync(SETTING, "latin1").trim();
}

function recordFile({ runDir }: Pick<HostSide, "runDir">): string {
  return join(runDir ?? DEFAULT_RUN_DIR, "userfaults.json");
}

function readBefore(host: Pick<HostSide, "runDir">): Before | undefined {
  const file = recordFile(host);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Before) : undefined;
}

function writeBefore(host: Pick<HostSide, "runDir">, before: Before): void {
  const file = recordFile(host);
  writeFileSync(`${file}.new`, JSON.stringify(before), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
