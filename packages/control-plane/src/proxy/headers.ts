// What of a head is passed on, in its own spelling and order.

/** Between two neighbours only (RFC 9110, section 7.6.1), and what Node writes itself. */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What a client tells us is not for the programs in its sandbox. */
const FOR_US = new Set(["x-api-key", "e2b-traffic-access-token", "expect"]);

export interface Forwarded {
  /** Name and value in turn, as `rawHeaders`. */
  rawHeaders: readonly string[];
  /** Replaces the header `host`. */
  host: string | undefined;
  /** The peer's address, for `x-forwarded-for`. */
  peer: string | undefined;
  proto: "http" | "https";
}

/** A request's headers for the guest, as a flat list. */
export function requestHeaders({ rawHeaders, host, peer, proto }: Forwarded): string[] {
  const listed = connectionListed(rawHeaders);
  const headers: string[] = [];
  let chain = peer ?? "unknown";
  let original = "";
  for (const [name, value] of pairs(rawHeaders)) {
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || FOR_US.has(lower) || listed.has(lower)) continue;
    if (lower === "x-forwarded-for") chain = `${value}, ${chain}`;
    else if (lower === "x-forwarded-proto" || lower === "x-forwarded-host") continue;
    else if (lower === "host") {
      original = value;
      headers.push(name, host ?? value);
    } else headers.push(name, value);
  }
  headers.push("x-forwarded-for", chain, "x-forwarded-proto", proto, "x-forwarded-host", original);
  return headers;
}

/** An answer's headers for the client. */
export function responseHeaders(rawHeaders: readonly string[]): string[] {
  const listed = connectionListed(rawHeaders);
  return [...pairs(rawHeaders)]
    .filter(([name]) => !HOP_BY_HOP.has(name.toLowerCase()) && !listed.has(name.toLowerCase()))
    .flat();
}

/** The names that `Connection` lists: they concern the connection, too. */
function connectionListed(rawHeaders: readonly string[]): Set<string> {
  const names = [...pairs(rawHeaders)]
    .filter(([name]) => name.toLowerCase() === "connection")
    .flatMap(([, value]) => value.split(","));
  return new Set(names.map((name) => name.trim().toLowerCase()));
}

function* pairs(rawHeaders: readonly string[]): Generator<[string, string]> {
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    yield [rawHeaders[at] as string, rawHeaders[at + 1] as string];
  }
}
