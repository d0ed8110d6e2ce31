// What a machine asks whose memory arrives while it runs. The port between saved memories and those who serve them.

/** Pages of 4096 bytes that follow each other, counted from the start of the memory. */
export interface PageRange {
  start: number;
  count: number;
}

/** How a memory goes on from some page: so many pages, all of them zero or all of them to be read. */
export interface PageRun {
  zero: boolean;
  count: number;
}

/**
 * A saved memory that is read piece by piece. `@wrenn/snapshot` implements it; a userfaultfd server and the source of a
 * postcopy migration ask it. All is synchronous, and {@link read} may take as long as a disk takes: it belongs into a
 * thread that has nothing else to do, and gets there as a {@link LazyPagesRef}.
 */
export interface LazyPages extends Disposable {
  /** Size of the memory, in pages of 4096 bytes. */
  readonly pages: number;
  /**
   * What earlier machines touched before their guest had confirmed its init, the latest first; disjoint, inside of the
   * memory, and no more than may be loaded unasked. Empty when nothing is recorded.
   */
  readonly workingSet: readonly PageRange[];
  /** What the next pages are, from `page` on: 1 to `limit` of one kind. Reads no file. */
  run(page: number, limit: number): PageRun;
  /** Fills `into`, whole pages of which {@link run} called none zero. Throws when they are not all there. */
  read(page: number, into: Uint8Array): void;
}

/** A {@link LazyPages} in a form that can be posted to a worker thread. */
export interface LazyPagesRef {
  /** URL of a module that exports `openLazyPages(data): LazyPages`. */
  readonly module: string;
  /** What that function is given: anything that structured cloning copies. */
  readonly data: unknown;
}

/** Opens what a ref stands for, in this thread. The caller disposes of it. */
export async function openLazyPages({ module, data }: LazyPagesRef): Promise<LazyPages> {
  const opened = (await import(module)) as { openLazyPages: (data: unknown) => LazyPages };
  return opened.openLazyPages(data);
}
