// A request to be tried: what goes over the wire, and what is wrong with it.
import fc from "fast-check";
import type { Operation } from "./document.ts";
import type { Fault } from "./fault.ts";

export interface FuzzRequest {
  operation: Operation;
  /** Path and query as they are sent. */
  target: string;
  headers: readonly (readonly [name: string, value: string])[];
  body: Buffer | undefined;
  /** Sent in chunks without a length, instead of with one. */
  chunked: boolean;
  faults: readonly Fault[];
  /** Statuses that a header may bring about before anything behind the key is looked at. */
  early: readonly number[];
}

/** Bytes of a body that are shown. A seed gives the rest. */
const SHOWN_BYTES = 600;

/** The request as a command for people. */
export function curl(request: FuzzRequest, base = "http://127.0.0.1:8000"): string {
  const { operation, target, headers, body, chunked } = request;
  const words = ["curl", "-i", "--path-as-is", "-X", operation.method, quote(base + target)];
  for (const [name, value] of headers) words.push("-H", quote(`${name}: ${value}`));
  if (chunked) words.push("-H", quote("transfer-encoding: chunked"));
  if (body) words.push("--data-binary", quoteBytes(body));
  const cut = body && body.length > SHOWN_BYTES ? ` # the body has ${body.length} bytes` : "";
  return words.join(" ") + cut;
}

/** Shows requests in fast-check's reports as commands. */
export function shown(request: FuzzRequest): FuzzRequest {
  return { ...request, [fc.toStringMethod]: () => `${curl(request)} # ${faultsOf(request)}` } as FuzzRequest;
}

/** What is wrong with a request, in words. */
export function faultsOf({ faults }: FuzzRequest): string {
  return faults.map(({ what }) => what).join(", ") || "nothing is wrong";
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** `$'…'` of bash. */
function quoteBytes(bytes: Buffer): string {
  const escaped = [...bytes.subarray(0, SHOWN_BYTES)].map((byte) => {
    const character = String.fromCharCode(byte);
    if (character === "'" || character === "\\") return `\\${character}`;
    return byte >= 0x20 && byte < 0x7f ? character : `\\x${byte.toString(16).padStart(2, "0")}`;
  });
  return `$'${escaped.join("")}'`;
}
