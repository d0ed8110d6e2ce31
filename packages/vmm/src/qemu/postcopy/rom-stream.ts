// Reading memory blocks out of an ordinary migration stream of a machine whose guest's memory is left out. Pure.
import { WrennError } from "@wrenn/core";
import type { RamBlock, Roms } from "./blocks.ts";
import { MAGIC, PAGE_BYTES, PAGE_FLAG, RAM, SECTION, VERSION } from "./wire.ts";

/** Firmware and tables of a microvm have less than 1 MiB. */
const MAX_ROM_BYTES = 16 * 1024 * 1024;
/** Of the stream, page heads included. */
export const MAX_STREAM_BYTES: number = 2 * MAX_ROM_BYTES;
const MAX_BLOCKS = 64;

/**
 * The blocks of a stream that was sent with the capability `x-ignore-shared`, in which the guest's memory, being shared,
 * is listed and not sent. Undefined while its memory section has not come to its end. Throws `internal` for anything that
 * is not such a stream.
 */
export function readRoms(stream: Buffer, memory: string): Roms | undefined {
  try {
    return new Reader(stream, memory).read();
  } catch (reason) {
    if (reason instanceof Short) return undefined;
    throw reason;
  }
}

/** The stream goes on behind what is there. */
class Short extends Error {}

class Reader {
  readonly #bytes: Buffer;
  readonly #memory: string;
  #at = 0;
  #blocks: RamBlock[] = [];
  #contents = new Map<string, Buffer>();
  #current = "";

  constructor(bytes: Buffer, memory: string) {
    this.#bytes = bytes;
    this.#memory = memory;
  }

  read(): Roms {
    if (this.#take(4).toString("latin1") !== MAGIC || this.#u32() !== VERSION) throw wrong("no head");
    let section = Number.NaN;
    for (;;) {
      const type = this.#u8();
      const id = this.#u32();
      if (type === SECTION.start && Number.isNaN(section)) {
        section = id;
        const isRam =
          this.#name() === RAM.name && this.#u32() === RAM.instance && this.#u32() === RAM.version;
        if (!isRam) throw wrong("another section before the memory's");
      } else if ((type !== SECTION.part && type !== SECTION.end) || id !== section) {
        throw wrong(`a section of type ${type}`);
      }
      this.#pages();
      if (this.#u8() !== SECTION.footer || this.#u32() !== section) throw wrong("a section without an end");
      if (type === SECTION.end) return { blocks: this.#blocks, contents: this.#contents };
    }
  }

  #pages(): void {
    for (;;) {
      const word = this.#u64();
      const flags = word % PAGE_BYTES;
      const offset = word - flags;
      if (flags === PAGE_FLAG.end) return;
      if (flags === PAGE_FLAG.sizes) this.#readBlocks(offset);
      else this.#page(offset, flags);
    }
  }

  /** Each with its address in the guest, which is sent because the guest's memory is not. */
  #readBlocks(total: number): void {
    for (let left = total; left > 0; ) {
      const block = { name: this.#name(), bytes: this.#u64() };
      this.#u64();
      const isRom = block.name !== this.#memory;
      const wellFormed =
        block.bytes > 0 && block.bytes % PAGE_BYTES === 0 && block.bytes <= (isRom ? MAX_ROM_BYTES : left);
      if (!wellFormed || this.#blocks.length === MAX_BLOCKS || this.#contents.has(block.name))
        throw wrong(`a block ${block.name} of ${block.bytes} bytes`);
      this.#blocks.push(block);
      if (isRom) this.#contents.set(block.name, Buffer.alloc(block.bytes));
      left -= block.bytes;
      if (left < 0) throw wrong("blocks that are larger than all of them");
    }
    if (!this.#blocks.some(({ name }) => name === this.#memory)) throw wrong(`no block ${this.#memory}`);
  }

  #page(offset: number, flags: number): void {
    if ((flags & PAGE_FLAG.sameBlock) === 0) this.#current = this.#name();
    const content = this.#contents.get(this.#current);
    const kind = flags & ~PAGE_FLAG.sameBlock;
    if (!content || offset + PAGE_BYTES > content.length)
      throw wrong(`a page of ${this.#current} at ${offset}`);
    if (kind === PAGE_FLAG.data) this.#take(PAGE_BYTES).copy(content, offset);
    else if (kind === PAGE_FLAG.zero) content.fill(this.#u8(), offset, offset + PAGE_BYTES);
    else throw wrong(`page flags ${flags}`);
  }

  #take(count: number): Buffer {
    if (this.#at + count > this.#bytes.length) throw new Short();
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  #u8(): number {
    return this.#take(1).readUInt8();
  }

  #u32(): number {
    return this.#take(4).readUInt32BE();
  }

  #u64(): number {
    const value = this.#take(8).readBigUInt64BE();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw wrong(`the number ${value}`);
    return Number(value);
  }

  #name(): string {
    return this.#take(this.#u8()).toString("latin1");
  }
}

function wrong(what: string): WrennError {
  return new WrennError("internal", `QEMU's migration stream cannot be read: it has ${what}`);
}
