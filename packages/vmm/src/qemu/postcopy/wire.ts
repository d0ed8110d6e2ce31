// Numbers and flags of QEMU's migration stream, version 3. All integers in it are big-endian.
// Source: migration/savevm.h, savevm.c, ram.c and migration.h of QEMU 7.2; docs/devel/migration.rst.

/** Bytes of a page as the stream counts it, on x86. */
export const PAGE_BYTES = 4096;

export const MAGIC = "QEVM";
export const VERSION = 3;

/** First byte of what follows. */
export const SECTION = {
  eof: 0x00,
  start: 0x01,
  part: 0x02,
  end: 0x03,
  full: 0x04,
  command: 0x08,
  footer: 0x7e,
};

export const COMMAND = {
  openReturnPath: 1,
  ping: 2,
  postcopyAdvise: 3,
  postcopyListen: 4,
  postcopyRun: 5,
  discard: 6,
  packaged: 7,
} as const;

/** Low bits of the u64 before each page, whose upper bits are the page's offset in its block. */
export const PAGE_FLAG = {
  /** One byte follows, with which the whole page is filled. */
  zero: 0x02,
  /** The offset is the size of all memory; the list of blocks follows. */
  sizes: 0x04,
  /** 4096 bytes follow. */
  data: 0x08,
  /** Nothing follows: the section is over. */
  end: 0x10,
  /** No name: the same block as the page before. */
  sameBlock: 0x20,
} as const;

/** Identity and version of the section that holds the memory. */
export const RAM = { name: "ram", instance: 0, version: 4 } as const;

/** What the receiver sends back. */
export const ANSWER = { shut: 1, pong: 2, pagesOf: 3, pages: 4 } as const;
