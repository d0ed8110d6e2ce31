// For tests: confined programs whose output lands in a file of a temporary directory.
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Argv } from "../run/host-side.ts";
import { type Confinement, MERGED_USR, SYSTEM_BINDS } from "./confine.ts";
import { type ConfinedProcess, type SpawnConfinedOptions, spawnConfined } from "./spawn.ts";

/** An id that no block has. */
export const TRIAL_UID = 1_999_998_000;

export const TRIAL: Confinement = {
  uid: TRIAL_UID,
  gid: TRIAL_UID + 1,
  binds: { ro: SYSTEM_BINDS },
  symlinks: MERGED_USR,
  limits: { nofile: 64 },
};

export class Trials implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), "wrenn-confine-"));
  readonly output = join(this.dir, "output");

  /** Starts a program with the differences to {@link TRIAL}. */
  async start(
    argv: Argv,
    confinement: Partial<Confinement> = {},
    options: Partial<SpawnConfinedOptions> = {},
  ): Promise<ConfinedProcess> {
    const fd = openSync(this.output, "w");
    const env = { PATH: "/usr/bin", LC_ALL: "C", MARK: "inside" };
    try {
      return await spawnConfined({ ...TRIAL, ...confinement }, argv, {
        ...{ stdout: fd, stderr: fd, env },
        ...options,
      });
    } finally {
      closeSync(fd);
    }
  }

  /** Runs a program to its end; what it printed, and its status. */
  async inside(...args: Parameters<Trials["start"]>): Promise<{ status: number | null; text: string }> {
    const { status } = await (await this.start(...args)).exited;
    return { status, text: readFileSync(this.output, "utf8") };
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true });
  }
}
