// In which encoding a file is sent.

export type Encoding = "gzip" | "identity";

/**
 * What `Accept-Encoding` (RFC 9110, 12.5.3) asks for; `undefined` when it excludes all that can be sent.
 *
 * `gzip` only for a client that names nothing else, or refuses `identity`: HTTP libraries name all that they could
 * decode without being asked, and compressing costs the guest more than the bytes cost.
 */
export function chooseEncoding(header: string | null): Encoding | undefined {
  const qualities = new Map<string, number>();
  for (const item of (header ?? "").toLowerCase().split(",")) {
    const [coding = "", ...parameters] = item.split(";").map((part) => part.trim());
    const q = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? "1";
    if (coding !== "") qualities.set(coding === "x-gzip" ? "gzip" : coding, Number(q) || 0);
  }
  const others = [...qualities.keys()].filter((coding) => coding !== "identity");
  const gzip = qualities.get("gzip") ?? qualities.get("*") ?? 0;
  const plain = qualities.get("identity") ?? (qualities.get("*") === 0 ? 0 : 1);
  if (plain === 0) return gzip > 0 ? "gzip" : undefined;
  const isAskedFor = others.length === 1 && others[0] === "gzip" && gzip > 0;
  return isAskedFor && gzip >= (qualities.get("identity") ?? 0) ? "gzip" : "identity";
}
