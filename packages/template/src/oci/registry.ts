// An image from a registry: the pulling half of the OCI distribution specification 1.1, and the token exchange that
// registries ask for.
import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { WrennError } from "@wrenn/core";
import { type Descriptor, INDEX_TYPES, MANIFEST_TYPES, MAX_DOCUMENT_BYTES, tooLarge } from "./documents.ts";
import type { RegistryReference } from "./reference.ts";
import type { ImageSource } from "./source.ts";

/** A registry that the operator lets images come from. */
export interface AllowedRegistry {
  /** As it stands in names of images: `registry.example:5000`. */
  name: string;
  /** Without TLS. */
  plain: boolean;
}

export interface Credentials {
  username: string;
  password: string;
}

const MAX_REDIRECTS = 5;
/** Until an answer begins, `ms`. */
const HEAD_TIMEOUT_MS = 60_000;
const MAX_TOKEN_BYTES = 64 * 1024;
/** Where the registry with the short name really is. */
const ADDRESSES: Readonly<Record<string, string>> = { "docker.io": "registry-1.docker.io" };

/**
 * A source for one repository. Throws `forbidden` when the registry is not among the allowed ones: whoever builds a
 * template could otherwise have this machine ask any address.
 */
export function openRegistry(
  allowed: readonly AllowedRegistry[],
  { registry, repository }: RegistryReference,
  credentials: Credentials | undefined,
): ImageSource {
  const found = allowed.find(({ name }) => name === registry);
  if (!found) {
    throw new WrennError(
      "forbidden",
      `images of ${registry} are not allowed here; the operator lists registries in WRENN_REGISTRIES`,
      { field: "fromImage" },
    );
  }
  const scheme = found.plain ? "http" : "https";
  const base = new URL(`${scheme}://${ADDRESSES[registry] ?? registry}/v2/${repository}/`);
  return new RegistrySource(base, { name: `${registry}/${repository}`, credentials, plain: found.plain });
}

class RegistrySource implements ImageSource {
  readonly #base: URL;
  readonly #name: string;
  readonly #plain: boolean;
  readonly #credentials: Credentials | undefined;
  #authorization: string | undefined;

  constructor(base: URL, options: { name: string; credentials: Credentials | undefined; plain: boolean }) {
    this.#base = base;
    this.#name = options.name;
    this.#plain = options.plain;
    this.#credentials = options.credentials;
  }

  async manifest(version: string, signal: AbortSignal): Promise<Buffer> {
    const accept = [...MANIFEST_TYPES, ...INDEX_TYPES].join(", ");
    const response = await this.#get(`manifests/${version || "latest"}`, { accept }, signal);
    return await readBounded(response, MAX_DOCUMENT_BYTES, `the manifest of ${this.#name}`);
  }

  async blob({ digest }: Descriptor, signal: AbortSignal): Promise<Readable> {
    const { body } = await this.#get(`blobs/${digest}`, {}, signal);
    return body ? Readable.fromWeb(body as unknown as ReadableStream, { signal }) : Readable.from([]);
  }

  /** Answers to one challenge; the registry's own words never leave this room, as they may repeat what was sent. */
  async #get(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const url = new URL(path, this.#base);
    let response = await this.#follow(url, headers, signal);
    if (response.status === 401) {
      await response.body?.cancel();
      this.#authorization = await this.#authorize(response.headers.get("www-authenticate") ?? "", signal);
      response = await this.#follow(url, headers, signal);
    }
    if (response.ok) return response;
    await response.body?.cancel();
    const { status } = response;
    if (status === 404) throw this.#failed("not_found", "there is no such image");
    if (status === 401 || status === 403)
      throw this.#failed("invalid_argument", "it does not let us in with these credentials");
    throw this.#failed("unavailable", `it answered ${status}`);
  }

  /** The credentials stay with the registry: a redirect to somebody else goes without them. */
  async #follow(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    let target = url;
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const own = target.origin === this.#base.origin && this.#authorization !== undefined;
      const response = await this.#fetch(
        target,
        { ...headers, ...(own && { authorization: this.#authorization as string }) },
        signal,
      );
      const location = response.headers.get("location");
      if (response.status < 300 || response.status > 399 || location === null) return response;
      await response.body?.cancel();
      target = this.#checked(new URL(location, target));
    }
    throw this.#failed("unavailable", "it redirects without end");
  }

  async #authorize(challenge: string, signal: AbortSignal): Promise<string | undefined> {
    const [, scheme = "", rest = ""] = /^(\S+)\s*(.*)$/s.exec(challenge) ?? [];
    const basic = this.#credentials && `Basic ${toBase64(this.#credentials)}`;
    if (scheme.toLowerCase() === "basic") return basic;
    const { realm, service, scope } = parameters(rest);
    if (scheme.toLowerCase() !== "bearer" || realm === undefined || !URL.canParse(realm)) {
      throw this.#failed("unavailable", "it asks for credentials in a way that is not known");
    }
    const url = this.#checked(new URL(realm));
    if (service !== undefined) url.searchParams.set("service", service);
    if (scope !== undefined) url.searchParams.set("scope", scope);
    const response = await this.#fetch(url, basic === undefined ? {} : { authorization: basic }, signal);
    if (!response.ok) {
      await response.body?.cancel();
      throw this.#failed("invalid_argument", "it does not let us in with these credentials");
    }
    const token = tokenOf(await readBounded(response, MAX_TOKEN_BYTES, "a token"));
    if (token === undefined)
      throw this.#failed("unavailable", "it gives no token where it says that it does");
    return `Bearer ${token}`;
  }

  /** A registry with TLS leads nowhere without it. */
  #checked(url: URL): URL {
    if (url.protocol === "https:" || (this.#plain && url.origin === this.#base.origin)) return url;
    throw this.#failed("unavailable", "it leads to an address without TLS");
  }

  async #fetch(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new Error("no answer in time")), HEAD_TIMEOUT_MS);
    try {
      return await fetch(url, {
        headers,
        redirect: "manual",
        signal: AbortSignal.any([signal, late.signal]),
      });
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw this.#failed("unavailable", "it cannot be reached", cause);
    } finally {
      clearTimeout(timer);
    }
  }

  #failed(code: "not_found" | "unavailable" | "invalid_argument", why: string, cause?: unknown): WrennError {
    return new WrennError(code, `could not get image ${this.#name}: ${why}`, { field: "fromImage", cause });
  }
}

/** The token in an answer, if there is one that fits into a header. What else is said there goes nowhere. */
function tokenOf(answer: Buffer): string | undefined {
  let said: { token?: unknown; access_token?: unknown } | null;
  try {
    said = JSON.parse(answer.toString("utf8"));
  } catch {
    return undefined;
  }
  const token = said?.token ?? said?.access_token;
  return typeof token === "string" && /^[\x21-\x7e]+$/.test(token) ? token : undefined;
}

/** `key="value"` pairs of a challenge (RFC 9110, 11.2). */
function parameters(text: string): Record<string, string | undefined> {
  const pairs = text.matchAll(/([A-Za-z_]+)=(?:"([^"]*)"|([^\s,"]+))/g);
  return Object.fromEntries(
    [...pairs].map(([, name = "", quoted, bare]) => [name.toLowerCase(), quoted ?? bare]),
  );
}

function toBase64({ username, password }: Credentials): string {
  return Buffer.from(`${username}:${password}`).toString("base64");
}

async function readBounded(response: Response, maxBytes: number, what: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(`${what} has more than ${maxBytes} bytes`);
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks);
}
