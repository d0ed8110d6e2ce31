// Reading untrusted values field by field, with errors that name the field.
import { WrennError } from "@wrenn/core";

/** A record whose every field has to be asked for; `end` refuses those that nobody asked for. */
export class Fields {
  readonly #path: string;
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #known = new Set<string>();

  /** @throws `invalid_argument` unless the value is a map. */
  constructor(value: unknown, path: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw wrong(path, "must be a map");
    this.#path = path;
    this.#values = value as Record<string, unknown>;
  }

  /** A text that matches; `fallback` when the field is missing. */
  text(name: string, pattern: RegExp, fallback?: string): string {
    return matching(this.#take(name) ?? fallback, pattern, this.#at(name));
  }

  /** One of a few texts. */
  choice<T extends string>(name: string, choices: readonly T[], fallback?: T): T {
    const value = this.#take(name) ?? fallback;
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw wrong(this.#at(name), `must be one of: ${choices.join(", ")}`);
    return found;
  }

  /** A whole number within bounds. */
  whole(name: string, bounds: { min: number; max: number }, fallback: number): number {
    const value = this.#take(name) ?? fallback;
    if (typeof value !== "number" || !Number.isInteger(value) || value < bounds.min || value > bounds.max) {
      throw wrong(this.#at(name), `must be a whole number from ${bounds.min} to ${bounds.max}`);
    }
    return value;
  }

  /** A list of distinct texts that match; empty when the field is missing. */
  texts(name: string, pattern: RegExp, maxCount: number): string[] {
    const value = this.#take(name) ?? [];
    if (!Array.isArray(value) || value.length > maxCount) {
      throw wrong(this.#at(name), `must be a list of at most ${maxCount}`);
    }
    const texts = value.map((item, index) => matching(item, pattern, `${this.#at(name)}[${index}]`));
    const twice = texts.findIndex((text, index) => texts.indexOf(text) !== index);
    if (twice !== -1) throw wrong(`${this.#at(name)}[${twice}]`, `names ${texts[twice]} again`);
    return texts;
  }

  /** The fields of a nested map; null when it is missing or null. */
  map(name: string): Fields | null {
    const value = this.#take(name) ?? null;
    return value === null ? null : new Fields(value, this.#at(name));
  }

  /** @throws `invalid_argument` naming the first field that was not asked for. */
  end(): void {
    const unknown = Object.keys(this.#values).find((name) => !this.#known.has(name));
    if (unknown === undefined) return;
    throw wrong(
      this.#at(unknown.slice(0, 64)),
      `is not known here; fields are: ${[...this.#known].join(", ")}`,
    );
  }

  #take(name: string): unknown {
    this.#known.add(name);
    return Object.hasOwn(this.#values, name) ? this.#values[name] : undefined;
  }

  #at(name: string): string {
    return `${this.#path}.${name}`;
  }
}

function matching(value: unknown, pattern: RegExp, path: string): string {
  if (typeof value !== "string") throw wrong(path, "must be a text");
  if (!pattern.test(value)) throw wrong(path, `must match ${pattern.source}`);
  return value;
}

function wrong(path: string, message: string): WrennError {
  return new WrennError("invalid_argument", `${path} ${message}`, { field: path });
}
