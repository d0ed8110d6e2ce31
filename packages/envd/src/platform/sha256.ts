// SHA-256, without loading node:crypto.

/** Base64, standard alphabet, with padding. */
export function sha256Base64(text: string): string {
  return new Bun.CryptoHasher("sha256").update(text).digest("base64");
}
