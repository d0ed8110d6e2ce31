// What `/init` tells the agent, kept for the life of the guest (and so across a pause).
import type { Defaults } from "./defaults-file.ts";

export class AgentState {
  /** Environment of every process, below what its own request sets. */
  envs: Readonly<Record<string, string>> = {};
  defaultUser: string | undefined;
  defaultWorkdir: string | undefined;
  #token: string | undefined;

  /** Variables are added to those that there are; what is not said stays. */
  take({ envVars, defaultUser, defaultWorkdir }: Defaults): void {
    if (envVars !== undefined) this.envs = { ...this.envs, ...envVars };
    if (defaultUser !== undefined) this.defaultUser = defaultUser;
    if (defaultWorkdir !== undefined) this.defaultWorkdir = defaultWorkdir;
  }

  get defaults(): Defaults {
    return {
      envVars: this.envs,
      ...(this.defaultUser !== undefined && { defaultUser: this.defaultUser }),
      ...(this.defaultWorkdir !== undefined && { defaultWorkdir: this.defaultWorkdir }),
    };
  }

  get hasToken(): boolean {
    return this.#token !== undefined;
  }

  set token(value: string) {
    this.#token = value;
  }

  /** Whether the value is the access token. Takes the same time however much of it is right. */
  isToken(value: string | null): boolean {
    return this.isDerived(value, (token) => token);
  }

  /** Whether the value is what `derive` makes of the access token. */
  isDerived(value: string | null, derive: (token: string) => string): boolean {
    if (value === null || this.#token === undefined) return false;
    return isSame(Buffer.from(value), Buffer.from(derive(this.#token)));
  }
}

/** Looks at every byte, whichever differ. Not node:crypto's: loading that only for this would make each start longer. */
function isSame(given: Uint8Array, wanted: Uint8Array): boolean {
  let difference = given.length ^ wanted.length;
  for (let i = 0; i < wanted.length; i++) difference |= (given[i] ?? 0) ^ (wanted[i] ?? 0);
  return difference === 0;
}
