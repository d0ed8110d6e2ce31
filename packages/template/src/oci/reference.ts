// Names of images: in a registry, or in a directory of the machine.
import { WrennError } from "@wrenn/core";

export type ImageReference = RegistryReference | LayoutReference;

export interface RegistryReference {
  kind: "registry";
  /** `host` or `host:port`. */
  registry: string;
  repository: string;
  /** A tag, or a digest `sha256:…`. */
  version: string;
}

/** An OCI image layout below the directory that the operator has set apart for them. */
export interface LayoutReference {
  kind: "layout";
  /** Relative, without `..` and empty parts. */
  path: string;
  /** A tag, or a digest `sha256:…`; undefined for the only image in it. */
  version: string | undefined;
}

const MAX_LENGTH = 1024;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** OCI distribution specification 1.1, "Pulling manifests". */
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const REGISTRY = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::\d{1,5})?$/;
const PART = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}$/;
const LAYOUT = "oci:";
/** What a name without a registry means to everybody. */
const DEFAULT_REGISTRY = "docker.io";

/**
 * `oci:PATH[:TAG|@DIGEST]` is a layout; everything else is `[REGISTRY/]REPOSITORY[:TAG|@DIGEST]`, with the usual
 * defaults: the first part is a registry when it has a dot or a colon or is `localhost`, and no tag is `latest`.
 *
 * @throws `invalid_argument`
 */
export function parseReference(text: string): ImageReference {
  if (text.length > MAX_LENGTH) throw wrong("a name of an image", "is too long");
  return text.startsWith(LAYOUT) ? parseLayout(text.slice(LAYOUT.length)) : parseRegistry(text);
}

/** The same image by its digest, as text. */
export function pinned(reference: ImageReference, digest: string): string {
  if (reference.kind === "layout") return `${LAYOUT}${reference.path}@${digest}`;
  return `${reference.registry}/${reference.repository}@${digest}`;
}

function parseLayout(text: string): LayoutReference {
  const { name: path, version } = splitVersion(text);
  if (path.split("/").some((part) => !PART.test(part)))
    throw wrong(`oci:${text}`, "must be a relative path of letters, digits, dots, hyphens and underscores");
  return { kind: "layout", path, version };
}

function parseRegistry(text: string): RegistryReference {
  const slash = text.indexOf("/");
  const first = text.slice(0, Math.max(slash, 0));
  const isRegistry = /[.:]/.test(first) || first === "localhost";
  const registry = isRegistry ? first : DEFAULT_REGISTRY;
  const { name, version = "latest" } = splitVersion(isRegistry ? text.slice(slash + 1) : text);
  const repository = registry === DEFAULT_REGISTRY && !name.includes("/") ? `library/${name}` : name;
  if (!REGISTRY.test(registry) || !REPOSITORY.test(repository)) throw wrong(text, "is no name of an image");
  return { kind: "registry", registry, repository, version };
}

function splitVersion(text: string): { name: string; version?: string } {
  const at = text.indexOf("@");
  if (at >= 0) {
    const version = text.slice(at + 1);
    if (!DIGEST.test(version)) throw wrong(text, "has a digest that is none: sha256: and 64 hex digits");
    // A tag beside a digest says nothing.
    return { name: text.slice(0, at).replace(/:[^:/]*$/, ""), version };
  }
  const colon = text.lastIndexOf(":");
  if (colon < 0 || text.indexOf("/", colon) >= 0) return { name: text };
  const version = text.slice(colon + 1);
  if (!TAG.test(version)) throw wrong(text, "has a tag that is none");
  return { name: text.slice(0, colon), version };
}

function wrong(what: string, why: string): WrennError {
  return new WrennError("invalid_argument", `${what} ${why}`, { field: "fromImage" });
}
