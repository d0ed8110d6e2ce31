// The Debian packages of deploy/debian-packages.txt, and the versions of those that decide what works.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { MIB } from "@wrenn/core";
import { type ProbeResult, run } from "@wrenn/linux";
import { SOURCE_ROOT } from "../layout.ts";

const LIST = join(SOURCE_ROOT, "deploy/debian-packages.txt");
/** Shown with their version. */
const NOTABLE = ["qemu-system-x86", "bubblewrap", "nftables", "postgresql"];

export async function probePackages(): Promise<ProbeResult> {
  const wanted = parseList(await readFile(LIST, "utf8"));
  const installed = parseInstalled(await queryDpkg());
  const missing = wanted.filter((name) => !installed.has(name));
  const versions = NOTABLE.filter((name) => installed.has(name)).map(
    (name) => `${name} ${installed.get(name)}`,
  );
  const name = "Debian packages";
  if (missing.length === 0) return { name, ok: true, required: true, detail: versions.join(", ") };
  return {
    name,
    ok: false,
    required: true,
    detail: `not installed: ${missing.join(", ")}`,
    remedy: `apt-get install ${missing.join(" ")}`,
  };
}

/** The names in the list: a line each, `#` begins a comment line. */
export function parseList(text: string): string[] {
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

/** Name and version of what dpkg says is installed. */
export function parseInstalled(text: string): Map<string, string> {
  const rows = text.split("\n").map((line) => line.split("\t"));
  return new Map(
    rows
      .filter(([status]) => status === "installed")
      .map(([, name = "", version = ""]) => [name, version] as const),
  );
}

async function queryDpkg(): Promise<string> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's placeholders
  const format = "--showformat=${db:Status-Status}\\t${Package}\\t${Version}\\n";
  const { stdout } = await run(["dpkg-query", "--show", format], { timeoutMs: 10_000, maxOutput: 8 * MIB });
  return stdout;
}
