// What the source of a postcopy migration says, as bytes. Pure.
import { WrennError } from "@wrenn/core";
import type { RamBlock, Roms } from "./blocks.ts";
import { COMMAND, MAGIC, PAGE_BYTES, PAGE_FLAG, RAM, SECTION, VERSION } from "./wire.ts";

/** Number of the one section that holds memory; the device sections of a saved state have numbers of their own. */
const RAM_SECTION = 0xffff;
/** What the receiver answers once it has loaded its devices. */
export const DEVICES_LOADED = 1;
/** Largest packaged part that QEMU takes (MAX_VM_CMD_PACKAGED_SIZE). */
const MAX_PACKAGED_BYTES = 32 * 1024 * 1024;
/** A command's length is a u16. */
const MAX_COMMAND_BYTES = 0xffff;

export interface OpeningOptions {
  roms: Roms;
  /** Name of the block that is the guest's memory; all of it is to come later. */
  memory: string;
  /** The sections of processors and devices, see {@link deviceSections}. */
  devices: Uint8Array;
}

/**
 * Everything up to where the receiver may run its guest: blocks, small blocks, nothing of the guest's memory, devices.
 * The order is not free. The discard keeps the receiver from taking what it finds in its memory for what was sent: it
 * would write later pages past userfaultfd, and wait for ever. Firmware and tables come before that, since it empties
 * all blocks when it is told of postcopy.
 */
export function opening({ roms, memory, devices }: OpeningOptions): Buffer {
  const guest = roms.blocks.find(({ name }) => name === memory);
  if (!guest) throw new WrennError("internal", `the machine has no memory block ${memory}`);
  const packaged = Buffer.concat([
    command(COMMAND.postcopyListen),
    devices,
    command(COMMAND.ping, u32(DEVICES_LOADED)),
    command(COMMAND.postcopyRun),
  ]);
  if (packaged.length > MAX_PACKAGED_BYTES)
    throw new WrennError("internal", `a device state of ${devices.length} bytes is too large`);
  return Buffer.concat([
    Buffer.from(MAGIC, "latin1"),
    u32(VERSION),
    command(COMMAND.openReturnPath),
    command(COMMAND.postcopyAdvise, Buffer.concat([u64(PAGE_BYTES), u64(PAGE_BYTES)])),
    ramSection(SECTION.start, [ramIdentity(), sizes(roms.blocks)]),
    ramSection(SECTION.part, romPages(roms)),
    command(
      COMMAND.discard,
      Buffer.concat([Buffer.from([0]), name(guest.name, true), u64(0), u64(guest.bytes)]),
    ),
    command(COMMAND.packaged, u32(packaged.length)),
    packaged,
  ]);
}

/** The last words: no more pages will come. */
export function closing(): Buffer {
  return Buffer.concat([ramSection(SECTION.end, []), Buffer.from([SECTION.eof])]);
}

/**
 * A saved state (see `saveDeviceState`) without its head and its end: sections that can be packaged. Throws `internal`
 * for anything else.
 */
export function deviceSections(state: Buffer): Buffer {
  const head = MAGIC.length + 4;
  const isState =
    state.length > head &&
    state.toString("latin1", 0, MAGIC.length) === MAGIC &&
    state.readUInt32BE(MAGIC.length) === VERSION &&
    state[head] === SECTION.full &&
    state.at(-1) === SECTION.eof;
  if (!isState)
    throw new WrennError("internal", "a saved state of devices is not one that QEMU can take over");
  return state.subarray(head, -1);
}

/**
 * Pages of the guest's memory on their way: collected page by page into one section that is sent at once. The buffer is
 * used again after {@link take}.
 */
export class PartSection {
  readonly #block: Buffer;
  readonly #buffer: Buffer;
  readonly #head: number;
  #end: number;
  #pages = 0;

  /** `maxPages`: more than this never come between two calls of {@link take}. */
  constructor(block: string, maxPages: number) {
    this.#block = name(block);
    const head = sectionHead(SECTION.part);
    this.#buffer = Buffer.allocUnsafeSlow(
      head.length + maxPages * (8 + PAGE_BYTES) + this.#block.length + sectionTail().length,
    );
    head.copy(this.#buffer);
    this.#head = head.length;
    this.#end = this.#head;
  }

  /** A page by its number; undefined = it is zero. */
  add(page: number, content: Uint8Array | undefined): void {
    const flags = (content ? PAGE_FLAG.data : PAGE_FLAG.zero) | (this.#pages > 0 ? PAGE_FLAG.sameBlock : 0);
    const offset = page * PAGE_BYTES;
    this.#buffer.writeUInt32BE(Math.floor(offset / 2 ** 32), this.#end);
    this.#buffer.writeUInt32BE(((offset % 2 ** 32) + flags) >>> 0, this.#end + 4);
    this.#end += 8;
    if (this.#pages === 0) this.#end += this.#block.copy(this.#buffer, this.#end);
    if (content) {
      this.#buffer.set(content, this.#end);
      this.#end += PAGE_BYTES;
    } else this.#buffer[this.#end++] = 0;
    this.#pages += 1;
  }

  /** The section as bytes, which are overwritten by the next {@link add}; empty again afterwards. */
  take(): Buffer {
    const tail = sectionTail();
    tail.copy(this.#buffer, this.#end);
    const section = this.#buffer.subarray(0, this.#end + tail.length);
    this.#end = this.#head;
    this.#pages = 0;
    return section;
  }
}

function command(number: number, data: Buffer = Buffer.alloc(0)): Buffer {
  if (data.length > MAX_COMMAND_BYTES) throw new WrennError("internal", "a migration command is too long");
  const head = Buffer.alloc(5);
  head[0] = SECTION.command;
  head.writeUInt16BE(number, 1);
  head.writeUInt16BE(data.length, 3);
  return Buffer.concat([head, data]);
}

function ramSection(type: number, content: readonly Buffer[]): Buffer {
  return Buffer.concat([sectionHead(type), ...content, sectionTail()]);
}

function sectionHead(type: number): Buffer {
  return Buffer.concat([Buffer.from([type]), u32(RAM_SECTION)]);
}

function sectionTail(): Buffer {
  return Buffer.concat([u64(PAGE_FLAG.end), Buffer.from([SECTION.footer]), u32(RAM_SECTION)]);
}

function ramIdentity(): Buffer {
  return Buffer.concat([name(RAM.name), u32(RAM.instance), u32(RAM.version)]);
}

function sizes(blocks: readonly RamBlock[]): Buffer {
  const total = blocks.reduce((sum, { bytes }) => sum + bytes, 0);
  const list = blocks.flatMap((block) => [name(block.name), u64(block.bytes)]);
  return Buffer.concat([u64(total + PAGE_FLAG.sizes), ...list]);
}

/** Every page of every small block. */
function romPages(roms: Roms): Buffer[] {
  return [...roms.contents].flatMap(([block, content]) => {
    const pages: Buffer[] = [];
    for (let offset = 0; offset < content.length; offset += PAGE_BYTES) {
      pages.push(
        u64(offset + PAGE_FLAG.data),
        name(block),
        Buffer.from(content.subarray(offset, offset + PAGE_BYTES)),
      );
    }
    return pages;
  });
}

/** Length and text; in a discard there is a NUL after it. */
function name(text: string, terminated = false): Buffer {
  const bytes = Buffer.from(text, "latin1");
  if (bytes.length < 1 || bytes.length > 255)
    throw new WrennError("internal", `"${text}" names no memory block`);
  return Buffer.concat([Buffer.from([bytes.length]), bytes, Buffer.from(terminated ? [0] : [])]);
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
