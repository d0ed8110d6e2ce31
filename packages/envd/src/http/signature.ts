// Signed URLs: access to one file for one purpose, without the token.

export interface SignedUrl {
  /** As the query has it. */
  path: string;
  operation: "read" | "write";
  /** Empty: the default one. */
  user: string;
  /** Unix time in seconds, as the query has it. */
  expiration: string | undefined;
}

/** Base64 with padding of a text's SHA-256. */
export type Sha256Base64 = (text: string) => string;

/** The signature that E2B's clients compute for a URL. */
export function signatureOf(
  { path, operation, user, expiration }: SignedUrl,
  token: string,
  sha256: Sha256Base64,
): string {
  const text = [path, operation, user, token, ...(expiration === undefined ? [] : [expiration])].join(":");
  return `v1_${sha256(text).replace(/=+$/, "")}`;
}

/** What a request for `/files` claims to be signed for; nothing without a signature. */
export function readSignedUrl(request: Request): (SignedUrl & { signature: string }) | undefined {
  const query = new URL(request.url).searchParams;
  const signature = query.get("signature");
  if (signature === null) return undefined;
  return {
    signature,
    path: query.get("path") ?? "",
    operation: request.method === "GET" ? "read" : "write",
    user: query.get("username") ?? "",
    expiration: query.get("signature_expiration") ?? undefined,
  };
}

/** Whether the time is up. What is no time is up. */
export function isExpired({ expiration }: SignedUrl, nowMs: number): boolean {
  if (expiration === undefined) return false;
  return !/^\d{1,12}$/.test(expiration) || Number(expiration) * 1000 <= nowMs;
}
