// Files for COPY steps: kept for a while under the hash that their sender computed.
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { GIB, WrennError } from "@wrenn/core";
import { Spool } from "../../files/spool.ts";

/** All owners' together; the oldest go first. */
const MAX_FILES = 64;
const MAX_FILE_BYTES = 2 * GIB;
const TICKET_MS = 60 * 60_000;

interface Ticket {
  key: string;
  until: number;
}

/** In memory of this process, with bytes in nameless files: a build goes to the process that has its files. */
export class Uploads {
  readonly #files = new Map<string, Spool>();
  readonly #tickets = new Map<string, Ticket>();

  has(owner: string, hash: string): boolean {
    return this.#files.has(keyOf(owner, hash));
  }

  /** A name under which the bytes may be sent once within an hour, by whoever knows it. */
  ticket(owner: string, hash: string): string {
    const now = Date.now();
    for (const [name, { until }] of this.#tickets) if (until < now) this.#tickets.delete(name);
    const name = randomBytes(32).toString("hex");
    this.#tickets.set(name, { key: keyOf(owner, hash), until: now + TICKET_MS });
    return name;
  }

  /** Takes the bytes in. Throws `not_found` without a ticket, `too_large` beyond the bound. */
  async receive(ticket: string, body: IncomingMessage): Promise<void> {
    const known = this.#tickets.get(ticket);
    this.#tickets.delete(ticket);
    if (!known || known.until < Date.now()) throw new WrennError("not_found", "there is no such upload");
    const spool = await Spool.open();
    try {
      let size = 0;
      for await (const chunk of body as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > MAX_FILE_BYTES)
          throw new WrennError("too_large", `files of a step must be at most ${MAX_FILE_BYTES} bytes`);
        await spool.write(chunk);
      }
    } catch (reason) {
      await spool.close();
      throw reason;
    }
    await this.#keep(known.key, spool);
  }

  /** The bytes, from the first one. Throws `not_found`. */
  read(owner: string, hash: string): AsyncGenerator<Buffer> {
    const spool = this.#files.get(keyOf(owner, hash));
    if (!spool)
      throw new WrennError("not_found", "the files of a COPY step were not sent, or are gone again");
    return spool.read();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#files.values()].map((spool) => spool.close()));
    this.#files.clear();
  }

  async #keep(key: string, spool: Spool): Promise<void> {
    const [oldest] = this.#files.keys();
    const gone = [
      this.#files.get(key),
      this.#files.size >= MAX_FILES ? this.#files.get(oldest ?? "") : undefined,
    ];
    if (gone[1]) this.#files.delete(oldest ?? "");
    this.#files.delete(key);
    this.#files.set(key, spool);
    for (const old of new Set(gone)) await old?.close();
  }
}

function keyOf(owner: string, hash: string): string {
  return `${hash} ${owner}`;
}
