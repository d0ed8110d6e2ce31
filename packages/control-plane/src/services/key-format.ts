// How an API key is written.

/** Some clients check for the second prefix; both stand before the same secret. */
const KEY = /^(?:wrn|e2b)_([0-9a-f]{64})$/;

/** The 64 hex digits of a key, or nothing when it is not one. */
export function parseKey(text: string | undefined): string | undefined {
  return KEY.exec(text ?? "")?.[1];
}
