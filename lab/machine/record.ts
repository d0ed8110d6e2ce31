// What is known of a running lab, for those who did not start it.
import { readFile, rename, writeFile } from "node:fs/promises";
import { WrennError } from "@wrenn/core";
import { isAlive, type ProcessIdentity } from "@wrenn/linux";
import { labLayout } from "../layout.ts";

export interface LabRecord {
  dir: string;
  process: ProcessIdentity;
  /** Loopback ports of this machine that lead to the guest agent and to the host agent. */
  guestPort: number;
  hostPort: number;
  /** The guest agent's access token. */
  token: string;
}

/** Written before the machine is used, readable for root only: it holds the token. */
export async function writeRecord(record: LabRecord): Promise<void> {
  const { record: path } = labLayout(record.dir);
  await writeFile(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** The lab of a directory; undefined when none runs. */
export async function findLab(dir: string): Promise<LabRecord | undefined> {
  let text: string;
  try {
    text = await readFile(labLayout(dir).record, "utf8");
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw reason;
  }
  const record = JSON.parse(text) as LabRecord;
  return isAlive(record.process) ? record : undefined;
}

/** As {@link findLab}. Throws `invalid_state` when none runs. */
export async function openLab(dir: string): Promise<LabRecord> {
  const record = await findLab(dir);
  if (!record) throw new WrennError("invalid_state", `no lab runs in ${dir}; start one: ./wrenn lab`);
  return record;
}
