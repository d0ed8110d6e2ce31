// Whether a machine that continues from a snapshot shares its memory image, or has its memory arrive while it runs. Pure.

/** `auto`: what is faster, see {@link chooseMemory}. */
export type MemorySetting = "auto" | "shared" | "lazy";

/**
 * From this much on that is to be copied into a machine before it may run, it is faster to let its memory arrive, `bytes`.
 * See docs/decisions/0017-lazy-restore-on-qemu.md for the measurements.
 */
export const LAZY_FROM_BYTES: number = 512 * 1024 * 1024;

export interface MemoryFacts {
  setting: MemorySetting;
  /** Whether VMMs of this host may receive memory while they run. */
  lazyWorks: boolean;
  /** What differs from the shared image and is not zero, `bytes`. */
  fillBytes: number;
}

export function chooseMemory({ setting, lazyWorks, fillBytes }: MemoryFacts): "shared" | "lazy" {
  if (setting !== "auto") return setting;
  return lazyWorks && fillBytes >= LAZY_FROM_BYTES ? "lazy" : "shared";
}
