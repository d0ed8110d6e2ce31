// What `/init` tells the agent, kept for the life of the guest (and so across a pause).

export class AgentState {
  /** Environment of every process, below what its own request sets. */
  envs: Readonly<Record<string, string>> = {};
  defaultUser: string | undefined;
  defaultWorkdir: string | undefined;
  #token: Buffer | undefined;

  get hasToken(): boolean {
    return this.#token !== undefined;
  }

  set token(value: string) {
    this.#token = Buffer.from(value);
  }

  /** Whether the value is the access token. Takes the same time however much of it is right. */
  isToken(value: string | null): boolean {
    if (value === null || this.#token === undefined) return false;
    const given = Buffer.from(value);
    return isSame(given, this.#token);
  }
}

/** Looks at every byte, whichever differ. Not node:crypto's: loading that only for this would make each start longer. */
function isSame(given: Uint8Array, wanted: Uint8Array): boolean {
  let difference = given.length ^ wanted.length;
  for (let i = 0; i < wanted.length; i++) difference |= (given[i] ?? 0) ^ (wanted[i] ?? 0);
  return difference === 0;
}
