// All contexts of a guest.
import { WrennError } from "@wrenn/core";
import { randomHex } from "../platform/random.ts";
import { Context, type ContextOptions } from "./context.ts";
import type { Life } from "./kernel.ts";
import type { Language } from "./request.ts";

/** Each is a process with the memory that its code takes. */
const MAX_CONTEXTS = 32;

export class Contexts {
  readonly #make: Pick<ContextOptions, "begin" | "stallMs">;
  readonly #contexts = new Map<string, Context>();
  /** Where code goes that names no context, by language. */
  readonly #usual = new Map<Language, Context>();

  constructor(make: Pick<ContextOptions, "begin" | "stallMs">) {
    this.#make = make;
  }

  list(): Context[] {
    return [...this.#contexts.values()];
  }

  /** A new one, with its kernel. Throws `capacity`, and what beginning a kernel throws. */
  async create(language: Language, cwd: string): Promise<Context> {
    const context = this.#add(language, cwd);
    try {
      await context.ready();
    } catch (reason) {
      this.#forget(context);
      throw reason;
    }
    return context;
  }

  /** The one for code that names none. It is made when it is first asked for, or was removed. */
  usual(language: Language, cwd: string): Context {
    const known = this.#usual.get(language);
    if (known !== undefined) return known;
    const context = this.#add(language, cwd);
    this.#usual.set(language, context);
    return context;
  }

  /** Throws `not_found`. */
  get(id: string): Context {
    const context = this.#contexts.get(id);
    if (context === undefined) {
      throw new WrennError("not_found", `Context ${id.slice(0, 64)} not found`, { field: "context_id" });
    }
    return context;
  }

  async remove(id: string): Promise<void> {
    const context = this.get(id);
    this.#forget(context);
    await context.remove();
  }

  renew(life: () => Life): void {
    for (const context of this.#contexts.values()) context.renew(life);
  }

  async close(): Promise<void> {
    await Promise.all(this.list().map(({ id }) => this.remove(id)));
  }

  #add(language: Language, cwd: string): Context {
    if (this.#contexts.size >= MAX_CONTEXTS) {
      throw new WrennError("capacity", `at most ${MAX_CONTEXTS} contexts; remove one first`);
    }
    const context = new Context({ ...this.#make, id: randomHex(16), language, cwd });
    this.#contexts.set(context.id, context);
    return context;
  }

  #forget(context: Context): void {
    this.#contexts.delete(context.id);
    if (this.#usual.get(context.language) === context) this.#usual.delete(context.language);
  }
}
