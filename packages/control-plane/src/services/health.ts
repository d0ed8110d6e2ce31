// Whether this service can do its work.
import type { Health } from "@wrenn/api";
import { WrennError } from "@wrenn/core";
import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import type { HostDirectory } from "../hosts/directory.ts";
import type { Host } from "../hosts/host.ts";

/** How old an answer may be: whoever asks needs no key, so asking must cost nothing. */
const TRUST_MS = 500;

export interface HealthOptions {
  db: Db;
  hosts: HostDirectory;
  version: string;
  /** Whether what the database says of a host's sandboxes is what the host says. */
  isCompared: (host: Host) => boolean;
}

export class HealthService {
  readonly #db: Db;
  readonly #hosts: HostDirectory;
  readonly #version: string;
  readonly #isCompared: HealthOptions["isCompared"];
  #last: { at: number; result: Promise<Health> } | undefined;

  constructor({ db, hosts, version, isCompared }: HealthOptions) {
    this.#db = db;
    this.#hosts = hosts;
    this.#version = version;
    this.#isCompared = isCompared;
  }

  /** Throws `unavailable` with what is missing. A bad answer is not remembered: the next one may be good. */
  async check(): Promise<Health> {
    if (!this.#last || performance.now() - this.#last.at > TRUST_MS) {
      this.#last = { at: performance.now(), result: this.#check() };
    }
    const last = this.#last;
    try {
      return await last.result;
    } catch (reason) {
      if (this.#last === last) this.#last = undefined;
      throw reason;
    }
  }

  async #check(): Promise<Health> {
    await sql`select 1`.execute(this.#db);
    const hosts = await this.#hosts.fresh();
    if (hosts.length === 0)
      throw new WrennError("unavailable", "no host can be reached", { retryAfterSec: 1 });
    // A host that has just come back may have paused or lost what the rows still call running.
    if (!hosts.some(this.#isCompared))
      throw new WrennError("unavailable", "the sandboxes of the hosts are being looked up", {
        retryAfterSec: 1,
      });
    return { status: "ok", version: this.#version, hosts: hosts.length };
  }
}
