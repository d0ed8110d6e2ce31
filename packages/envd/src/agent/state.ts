// What `/init` tells the agent, kept for the life of the guest (and so across a pause).
import { timingSafeEqual } from "node:crypto";

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
    return given.length === this.#token.length && timingSafeEqual(given, this.#token);
  }
}
