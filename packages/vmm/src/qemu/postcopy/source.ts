// The source of a postcopy migration that has no machine: a saved memory, sent page by page over a connection.
import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { type LazyPages, type PageRange, WrennError } from "@wrenn/core";
import { PagePlan } from "./page-plan.ts";
import { type Answer, ReturnPath } from "./return-path.ts";
import { closing, DEVICES_LOADED, type OpeningOptions, opening, PartSection } from "./stream.ts";
import { PAGE_BYTES } from "./wire.ts";

/** Pages in one section, and so what an answer may have to wait for: 128 KiB. */
const BATCH_PAGES = 32;

export interface PostcopySourceOptions extends OpeningOptions {
  channel: Duplex;
  pages: LazyPages;
  /** Called once the receiver has loaded its processors and devices. */
  onDevicesLoaded: () => void;
  /** Called with the number of pages that have content and were sent. */
  onProgress?: (loaded: number) => void;
}

export class PostcopySource {
  readonly #options: PostcopySourceOptions;
  readonly #plan: PagePlan;
  readonly #answers = new ReturnPath();
  readonly #section: PartSection;
  readonly #scratch = Buffer.allocUnsafeSlow(BATCH_PAGES * PAGE_BYTES);
  readonly #over = Promise.withResolvers<void>();
  #askedAt = 0;
  #pushing = false;
  #closed = false;
  #allSent = false;
  #woken = Promise.withResolvers<void>();

  constructor(options: PostcopySourceOptions) {
    this.#options = options;
    this.#plan = new PagePlan(options.pages);
    this.#section = new PartSection(options.memory, BATCH_PAGES);
    this.#over.promise.catch(() => {});
  }

  /** What the guest waited for so far. */
  get touched(): readonly PageRange[] {
    return this.#plan.touched;
  }

  /** When the guest last asked for a page, by `performance.now()`; 0 = not yet. */
  get askedAt(): number {
    return this.#askedAt;
  }

  /** From here on also what nobody asks for is sent, until all has arrived. */
  push(): void {
    this.#pushing = true;
    this.#woken.resolve();
  }

  /** Serves until the receiver has everything. Throws when the connection ends before, or a page cannot be read. */
  async run(): Promise<void> {
    const { channel } = this.#options;
    channel.on("data", (bytes: Buffer) => this.#receive(bytes));
    const left = () => this.#fail(new WrennError("unavailable", "the machine has closed its connection"));
    channel.once("end", left).once("close", left);
    channel.on("error", (cause) => this.#fail(cause));
    try {
      // Whatever fails meanwhile is told at once.
      await Promise.race([this.#send(), this.#over.promise]);
      await this.#over.promise;
    } finally {
      this.#closed = true;
      this.#woken.resolve();
      channel.destroy();
    }
  }

  async #send(): Promise<void> {
    await this.#write(opening(this.#options));
    while (!this.#closed) {
      this.#woken = Promise.withResolvers();
      const pushing = this.#pushing;
      const pieces = this.#plan.take(BATCH_PAGES, pushing);
      if (pieces.length > 0) {
        for (const piece of pieces) this.#add(piece);
        await this.#write(this.#section.take());
        this.#options.onProgress?.(this.#plan.loaded);
        // A write that succeeds at once does not let anything be received.
        await setImmediate();
      } else if (pushing) break;
      else await this.#woken.promise;
    }
    this.#allSent = true;
    if (!this.#closed) await this.#write(closing());
  }

  #add({ start, count, zero }: { start: number; count: number; zero: boolean }): void {
    const content = this.#scratch.subarray(0, count * PAGE_BYTES);
    if (!zero) this.#options.pages.read(start, content);
    for (let i = 0; i < count; i++) {
      this.#section.add(start + i, zero ? undefined : content.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES));
    }
  }

  #receive(bytes: Buffer): void {
    try {
      for (const answer of this.#answers.receive(bytes)) this.#handle(answer);
    } catch (reason) {
      this.#fail(reason);
    }
  }

  #handle(answer: Answer): void {
    if (answer.kind === "pages") {
      const { block, start, bytes } = answer;
      // The others were sent whole before the guest ran.
      if (block !== this.#options.memory)
        throw new WrennError("internal", `the machine asks for pages of ${block}`);
      this.#askedAt = performance.now();
      this.#plan.wait({ start: start / PAGE_BYTES, count: bytes / PAGE_BYTES });
      this.#woken.resolve();
    } else if (answer.kind === "pong") {
      if (answer.value === DEVICES_LOADED) this.#options.onDevicesLoaded();
    } else if (answer.value === 0 && this.#allSent) this.#over.resolve();
    else this.#fail(new WrennError("internal", "the machine could not take its memory over"));
  }

  #fail(reason: unknown): void {
    this.#over.reject(reason);
  }

  /** Resolves when the kernel has it: a request that arrives meanwhile waits for no more than one section. */
  #write(bytes: Buffer): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#options.channel.write(bytes, (error) => (error ? reject(error) : resolve()));
    return promise;
  }
}
