// What a client needs to speak to the agent in a sandbox's guest itself.
import type { SandboxRow } from "../db/schema.ts";
import type { HostDirectory } from "../hosts/directory.ts";
import type { Caller } from "./caller.ts";

const ACCESS_TIMEOUT_MS = 10_000;

/** What every agent that can be in a guest has at least. */
const FIRST_VERSION = "0.5.2";

export interface Access {
  /** Stays the same over pause and resume. */
  token: string;
  /** Version of the agent's protocol. */
  agentVersion: string;
}

export class AccessService {
  readonly #hosts: HostDirectory;
  #agentVersion = FIRST_VERSION;

  constructor({ hosts }: { hosts: HostDirectory }) {
    this.#hosts = hosts;
  }

  /** Version of the agent that was heard of last: for lists, which do not ask the host of each sandbox. */
  get agentVersion(): string {
    return this.#agentVersion;
  }

  /** Asks the sandbox's host. Throws what it refuses with. */
  async of({ requestId }: Caller, { id, host_id }: SandboxRow): Promise<Access> {
    const context = { attempted: `reading access to sandbox ${id}`, requestId, timeoutMs: ACCESS_TIMEOUT_MS };
    const answer = await this.#hosts.get(host_id).client.call("getAccess", { sandboxId: id }, context);
    this.#agentVersion = answer.envdVersion;
    return { token: answer.accessToken, agentVersion: answer.envdVersion };
  }
}
