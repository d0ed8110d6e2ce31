// The receiving side of a postcopy migration, as strict as QEMU is: for tests.
import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import type { LazyPages, LazyPagesRef } from "@wrenn/core";

const PAGE = 4096;

/** A connection in memory, its two ends. */
export function connection(): [Duplex, Duplex] {
  const make = (other: () => Duplex) =>
    new Duplex({
      allowHalfOpen: false,
      read() {},
      write(chunk: Buffer, _encoding, done) {
        // What is written is overwritten by the writer afterwards.
        other().push(Buffer.from(chunk));
        done();
      },
      final(done) {
        other().push(null);
        done();
      },
      destroy(reason, done) {
        if (!other().destroyed) other().push(null);
        done(reason);
      },
    });
  const ends: [Duplex, Duplex] = [make(() => ends[1]), make(() => ends[0])];
  return ends;
}

/** Reads a stream byte by byte. Waits for what is not there yet; throws at its end. */
class Bytes {
  readonly #stream: Duplex;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: Duplex) {
    this.#stream = stream;
  }

  async take(count: number): Promise<Buffer> {
    while (this.#rest.length < count) {
      const chunk = this.#stream.read() as Buffer | null;
      if (chunk) this.#rest = Buffer.concat([this.#rest, chunk]);
      else {
        if (this.#stream.readableEnded || this.#stream.destroyed) throw new Error("the stream has ended");
        await new Promise<void>((resolve) => {
          const go = () => {
            for (const event of ["readable", "end", "close"]) this.#stream.off(event, go);
            resolve();
          };
          for (const event of ["readable", "end", "close"]) this.#stream.on(event, go);
        });
      }
    }
    const taken = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    return taken;
  }

  async u8() {
    return (await this.take(1)).readUInt8();
  }
  async u16() {
    return (await this.take(2)).readUInt16BE();
  }
  async u32() {
    return (await this.take(4)).readUInt32BE();
  }
  async u64() {
    return Number((await this.take(8)).readBigUInt64BE());
  }
  async name() {
    return (await this.take(await this.u8())).toString("latin1");
  }
}

export class TestReceiver {
  readonly blocks = new Map<string, Buffer>();
  /** Pages of the guest's memory that have come, in order; after the discard. */
  readonly arrived: number[] = [];
  /** Kinds of what was read before the guest ran. */
  readonly order: string[] = [];
  devices: Buffer = Buffer.alloc(0);
  isRunning = false;
  readonly #bytes: Bytes;
  readonly #channel: Duplex;
  readonly #memory: string;
  readonly #waiting = new Map<number, () => void>();
  #section = Number.NaN;
  #last = "";
  #asked = false;

  constructor(channel: Duplex, memory: string) {
    this.#bytes = new Bytes(channel);
    this.#channel = channel;
    this.#memory = memory;
  }

  /** Takes all in, to the stream's end, and says that it is done. */
  async run(): Promise<void> {
    const { take } = this.#bytes;
    assert.equal((await take.call(this.#bytes, 4)).toString(), "QEVM");
    assert.equal(await this.#bytes.u32(), 3);
    while (await this.#sectionOf(this.#bytes));
    this.#answer(1, u32(0));
  }

  /** As a guest's access: resolves once the page is there. */
  async touch(page: number): Promise<Buffer> {
    const memory = this.blocks.get(this.#memory) as Buffer;
    const content = () => memory.subarray(page * PAGE, (page + 1) * PAGE);
    if (this.arrived.includes(page)) return content();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.set(page, resolve);
    const place = Buffer.concat([u64(page * PAGE), u32(PAGE)]);
    const name = Buffer.from(this.#memory);
    if (this.#asked) this.#answer(4, place);
    else this.#answer(3, Buffer.concat([place, Buffer.from([name.length]), name]));
    this.#asked = true;
    await promise;
    return content();
  }

  async #sectionOf(bytes: Bytes): Promise<boolean> {
    const type = await bytes.u8();
    if (type === 0x00) return false;
    if (type === 0x08) {
      await this.#command(bytes);
      return true;
    }
    const id = await bytes.u32();
    if (type === 0x01) {
      assert.deepEqual([await bytes.name(), await bytes.u32(), await bytes.u32()], ["ram", 0, 4]);
      this.#section = id;
    } else assert.ok((type === 0x02 || type === 0x03) && id === this.#section, `section ${type} ${id}`);
    this.#note(["", "start", "part", "end"][type] as string);
    for (;;) {
      const word = await bytes.u64();
      const flags = word % PAGE;
      if (flags === 0x10) break;
      if (flags === 0x04) await this.#sizes(bytes, word - flags);
      else await this.#page(bytes, word - flags, flags);
    }
    assert.equal(await bytes.u8(), 0x7e);
    assert.equal(await bytes.u32(), id);
    return true;
  }

  async #command(bytes: Bytes): Promise<void> {
    const command = await bytes.u16();
    const data = await bytes.take(await bytes.u16());
    this.#note(
      ["", "return path", "ping", "advise", "listen", "run", "discard", "packaged"][command] as string,
    );
    if (command === 2) this.#answer(2, data);
    if (command === 3) assert.equal(data.toString("hex"), "00000000000010000000000000001000");
    if (command === 6) {
      const length = data[1] as number;
      assert.equal(data[0], 0);
      assert.equal(data.toString("latin1", 2, 2 + length), this.#memory);
      assert.equal(data[2 + length], 0);
      const [from, size] = [data.readBigUInt64BE(3 + length), data.readBigUInt64BE(11 + length)];
      assert.deepEqual([from, Number(size)], [0n, this.blocks.get(this.#memory)?.length]);
      assert.deepEqual(this.arrived, []);
    }
    if (command === 7) await this.#packaged(await bytes.take(data.readUInt32BE(0)));
  }

  /** Listen, then sections that only devices understand, then ping and run. */
  async #packaged(part: Buffer): Promise<void> {
    const listen = Buffer.from([8, 0, 4, 0, 0]);
    const tail = Buffer.from([8, 0, 2, 0, 4, 0, 0, 0, 1, 8, 0, 5, 0, 0]);
    assert.ok(part.subarray(0, listen.length).equals(listen));
    assert.ok(part.subarray(-tail.length).equals(tail));
    this.devices = Buffer.from(part.subarray(listen.length, -tail.length));
    this.#answer(2, u32(1));
    this.isRunning = true;
  }

  async #sizes(bytes: Bytes, total: number): Promise<void> {
    let sum = 0;
    while (sum < total) {
      const name = await bytes.name();
      const size = await bytes.u64();
      this.blocks.set(name, Buffer.alloc(size));
      sum += size;
    }
    assert.equal(sum, total);
  }

  async #page(bytes: Bytes, offset: number, flags: number): Promise<void> {
    if ((flags & 0x20) === 0) this.#last = await bytes.name();
    const block = this.blocks.get(this.#last);
    assert.ok(block && offset + PAGE <= block.length, `a page of ${this.#last} at ${offset}`);
    const kind = flags & ~0x20;
    if (kind === 0x08) (await bytes.take(PAGE)).copy(block, offset);
    else {
      assert.equal(kind, 0x02);
      block.fill(await bytes.u8(), offset, offset + PAGE);
    }
    if (this.#last !== this.#memory) return;
    assert.ok(this.isRunning, "no page of the guest's before it runs");
    const page = offset / PAGE;
    // The kernel refuses to fill a page that is there.
    assert.ok(!this.arrived.includes(page), `page ${page} comes twice`);
    this.arrived.push(page);
    this.#waiting.get(page)?.();
  }

  #answer(type: number, data: Buffer): void {
    const head = Buffer.alloc(4);
    head.writeUInt16BE(type, 0);
    head.writeUInt16BE(data.length, 2);
    this.#channel.write(Buffer.concat([head, data]));
  }

  #note(what: string): void {
    if (!this.isRunning) this.order.push(what);
  }
}

/** A memory of which each page is zero or filled with its own number. */
export class PatternPages implements LazyPages {
  readonly pages: number;
  readonly workingSet: LazyPages["workingSet"];
  readonly #zero: ReadonlySet<number>;

  constructor(pages: number, zero: Iterable<number> = [], workingSet: LazyPages["workingSet"] = []) {
    this.pages = pages;
    this.workingSet = workingSet;
    this.#zero = new Set(zero);
  }

  run(page: number, limit: number): { zero: boolean; count: number } {
    const zero = this.#zero.has(page);
    let count = 1;
    while (count < limit && page + count < this.pages && this.#zero.has(page + count) === zero) count++;
    return { zero, count };
  }

  read(page: number, into: Uint8Array): void {
    for (let i = 0; i * PAGE < into.length; i++) {
      assert.ok(!this.#zero.has(page + i), `page ${page + i} is zero and need not be read`);
      this.content(page + i).copy(into, i * PAGE);
    }
  }

  content(page: number): Buffer {
    if (this.#zero.has(page)) return Buffer.alloc(PAGE);
    const content = Buffer.alloc(PAGE, 1 + (page % 250));
    content.writeUInt32BE(page, 0);
    return content;
  }

  [Symbol.dispose](): void {}
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** A memory as a thread opens it: pages, zeros among them, and how long a read takes, `ms`. */
export interface PatternData {
  pages: number;
  zero: number[];
  readMs: number;
  /** Two 32-bit numbers: not 0 lets every read go on, and how many reads have begun. */
  gate: SharedArrayBuffer;
  /** Pages from here on cannot be read. */
  brokenFrom: number;
}

export function patternRef(data: Partial<PatternData> & { pages: number }): LazyPagesRef {
  const gate = new SharedArrayBuffer(8);
  const rest: PatternData = { zero: [], readMs: 0, gate, brokenFrom: data.pages, ...data };
  return { module: import.meta.url, data: rest };
}

/** What a `LazyPagesRef` promises of its module. */
export function openLazyPages(data: unknown): LazyPages {
  const { pages, zero, readMs, gate, brokenFrom } = data as PatternData;
  const pattern = new PatternPages(pages, zero);
  const read = pattern.read.bind(pattern);
  pattern.read = (page, into) => {
    if (page + into.length / PAGE > brokenFrom) throw new Error(`page ${brokenFrom} cannot be read`);
    // As a disk does: the thread can do nothing else.
    const words = new Int32Array(gate);
    Atomics.add(words, 1, 1);
    Atomics.wait(words, 0, 0, readMs);
    read(page, into);
  };
  return pattern;
}
