// A network namespace of a test, with one actor in it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Scope } from "@wrenn/core";
import { inNetns, run } from "@wrenn/linux";
import type { Attempt, Outcome } from "./actor.ts";

const TIMEOUT_MS = 10_000;

export type Target = Omit<Attempt, "id" | "timeoutMs" | "protocol"> & Partial<Pick<Attempt, "protocol">>;

export class Namespace {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  /** Makes a namespace whose only link is its loopback; the scope removes it. */
  static async create(scope: Scope, name: string): Promise<Namespace> {
    const ip = (...argv: string[]) => run(["ip", "netns", ...argv], { timeoutMs: TIMEOUT_MS });
    await scope.take(
      `namespace ${name}`,
      () => ip("add", name),
      async () => void (await ip("del", name)),
    );
    const namespace = new Namespace(name);
    await namespace.ip("link set lo up");
    return namespace;
  }

  /** One that exists, for instance a slot's. */
  static of(name: string): Namespace {
    return new Namespace(name);
  }

  /** Runs ip(8) commands in one batch. */
  async ip(...commands: string[]): Promise<void> {
    await this.exec(["ip", "-batch", "-"], `${commands.join("\n")}\n`);
  }

  async sysctl(...settings: string[]): Promise<void> {
    await this.exec(["sysctl", "-q", "-w", ...settings]);
  }

  async exec(argv: [string, ...string[]], input?: string): Promise<string> {
    const options = { timeoutMs: TIMEOUT_MS, input, maxOutput: 16 * 1024 * 1024 };
    return (await run(inNetns(this.name, argv), options)).stdout;
  }

  /** Puts an actor into the namespace; the scope ends it. With an address it is a resolver there as well. */
  async enter(scope: Scope, name: string, resolver = ""): Promise<Actor> {
    const [argv0, ...args] = inNetns(this.name, [
      process.execPath,
      join(import.meta.dirname, "actor.ts"),
      name,
      resolver,
    ]);
    const child = spawn(argv0, args, { stdio: ["pipe", "pipe", "inherit"] });
    scope.defer(`actor ${name}`, async () => {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    });
    const lines = createInterface({ input: child.stdout });
    await once(lines, "line");
    const pending = new Map<number, (outcome: Outcome) => void>();
    lines.on("line", (line) => {
      const outcome = JSON.parse(line) as Outcome;
      pending.get(outcome.id)?.(outcome);
      pending.delete(outcome.id);
    });
    let next = 0;
    return {
      reach: (target, timeoutMs) =>
        new Promise((resolve) => {
          const id = next++;
          pending.set(id, (outcome) => resolve(outcome.answer));
          child.stdin.write(`${JSON.stringify({ protocol: "tcp", ...target, id, timeoutMs })}\n`);
        }),
    };
  }
}

export interface Actor {
  /** Who answers at an address, or undefined when nobody does in time. */
  reach(target: Target, timeoutMs: number): Promise<Outcome["answer"]>;
}
