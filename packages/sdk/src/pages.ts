// Lists, page by page.
import type { CallOptions, Transport } from "./transport.ts";

export interface ListOptions extends CallOptions {
  /** Entries to fetch at a time, 1 to 100. Default 100. */
  pageSize?: number | undefined;
}

/**
 * Walks a list and fetches its pages as they are needed. `Array.fromAsync()` makes an array of it.
 * Entries that come or go meanwhile may be missed; none is given twice.
 */
export async function* pages<T>(
  transport: Transport,
  path: string,
  filter: object,
  { pageSize = 100, signal }: ListOptions,
): AsyncGenerator<T, void, undefined> {
  let next: string | undefined;
  do {
    const query = { ...filter, limit: pageSize, next_token: next };
    const response = await transport.request({ method: "GET", path, query, signal });
    yield* (await response.json()) as T[];
    next = response.headers.get("x-next-token") ?? undefined;
  } while (next !== undefined);
}
