// A saved memory of zeros, for servers that nobody will ask.
import type { LazyPages, LazyPagesRef } from "@wrenn/core";

export function zeroPages(pages: number): LazyPagesRef {
  return { module: import.meta.url, data: pages };
}

export function openLazyPages(pages: unknown): LazyPages {
  return {
    pages: pages as number,
    workingSet: [],
    run: (_page, limit) => ({ zero: true, count: limit }),
    read: () => {},
    [Symbol.dispose]: () => {},
  };
}
