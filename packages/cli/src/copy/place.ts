// Where `cp` reads or writes: `ID:/path` in a sandbox, `-`, or a path on this machine.
import { UsageError } from "../failure.ts";

export type Place =
  | { kind: "sandbox"; id: string; path: string }
  | { kind: "stdio" }
  | { kind: "local"; path: string };

export type SandboxPlace = Extract<Place, { kind: "sandbox" }>;
export type LocalPlace = Exclude<Place, SandboxPlace>;

/** Reads one argument of `cp`. A local name that looks like `ID:…` is written `./ID:…`. */
export function parsePlace(text: string): Place {
  if (text === "") throw new UsageError("an empty path means nothing");
  if (text === "-") return { kind: "stdio" };
  const match = /^(sb-[a-z0-9]{16}):(.*)$/s.exec(text);
  if (!match) return { kind: "local", path: text };
  const [, id = "", path = ""] = match;
  if (!path.startsWith("/")) {
    throw new UsageError(`${text}: paths in a sandbox are absolute, as in ${id}:/home/user/${path}`);
  }
  return { kind: "sandbox", id, path };
}

export type Copy =
  | { direction: "up"; from: LocalPlace; to: SandboxPlace }
  | { direction: "down"; from: SandboxPlace; to: LocalPlace };

/** Reads both arguments: one of them is in a sandbox, the other is not. */
export function parseCopy(source: string, target: string): Copy {
  const from = parsePlace(source);
  const to = parsePlace(target);
  if (from.kind !== "sandbox" && to.kind === "sandbox") return { direction: "up", from, to };
  if (from.kind === "sandbox" && to.kind !== "sandbox") return { direction: "down", from, to };
  if (from.kind === "sandbox") {
    throw new UsageError(
      `between sandboxes, copy through a pipe: wrenn cp ${source} - | wrenn cp - ${target}`,
    );
  }
  throw new UsageError("one of the two must be in a sandbox, as in sb-0123456789abcdef:/home/user/file");
}
