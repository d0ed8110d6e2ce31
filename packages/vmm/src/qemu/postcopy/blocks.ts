// The blocks of memory that a QEMU has besides its guest's: names, sizes, and what stands in the small ones.

/** One block of memory as a migration names it. */
export interface RamBlock {
  /** At most 255 bytes of ASCII. */
  name: string;
  /** A multiple of 4096. */
  bytes: number;
}

/** The memory of a machine that runs nothing yet: tables and firmware, which are the same for every machine of its kind. */
export interface Roms {
  /** All blocks in the order in which QEMU lists them, the guest's memory among them. */
  blocks: readonly RamBlock[];
  /** Content of all blocks but the guest's memory, by name. */
  contents: ReadonlyMap<string, Uint8Array>;
}
