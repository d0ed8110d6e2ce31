// The version of the platform.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SOURCE_ROOT } from "./layout.ts";

export const VERSION: string = readVersion();

function readVersion(): string {
  const manifest: { version: string } = JSON.parse(readFileSync(join(SOURCE_ROOT, "package.json"), "utf8"));
  return manifest.version;
}
