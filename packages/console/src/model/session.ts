// The key of this tab. It is kept in the tab's session storage and nowhere else: it goes when the tab goes.

const ITEM = "wrenn-api-key";

export const session = {
  get key(): string | undefined {
    return sessionStorage.getItem(ITEM) ?? undefined;
  },
  keep(key: string): void {
    sessionStorage.setItem(ITEM, key);
  },
  forget(): void {
    sessionStorage.removeItem(ITEM);
  },
};

/** Whether a text has the shape of a key: what cannot be one is not sent anywhere. */
export function looksLikeKey(text: string): boolean {
  return /^(?:wrn|e2b)_[0-9a-f]{64}$/.test(text);
}
