// The metadata filter of a list, as E2B's clients spell it.
import { WrennError } from "@wrenn/core";

/**
 * The query parameter `metadata`, decoded once already by the framework. Clients join `key=value` pairs by `&` with each
 * part percent-encoded, then encode the whole, and some do so once more: up to three levels in all. Parts that need no
 * encoding look the same at each of them.
 */
export function metadataFilter(parameter: string): Record<string, string> {
  const pairs = decode(parameter)
    .split("&")
    .filter((pair) => pair !== "");
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      if (at < 1) throw wrong();
      const [key, value] = [decode(pair.slice(0, at)), decode(pair.slice(at + 1))];
      // What PostgreSQL cannot hold no sandbox can have.
      if (`${key}${value}`.includes("\0")) throw wrong();
      return [key, value];
    }),
  );
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw wrong(cause);
  }
}

function wrong(cause?: unknown): WrennError {
  return new WrennError("invalid_argument", "metadata must be key=value pairs, percent-encoded", {
    field: "metadata",
    cause,
  });
}
