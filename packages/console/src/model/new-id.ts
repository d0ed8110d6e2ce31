// Ids for requests. Not crypto.randomUUID(): browsers have it on secure origins only, and a console on a plain
// http:// address of one's own network is none.

/** 32 hex digits from the browser's secure source. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
