// What `cp` asks a sandbox to do with its own tools.
import type { WrennClient } from "@wrenn/sdk";
import { CliError } from "../failure.ts";
import type { SandboxPlace } from "./place.ts";

/** Whether a path is a directory there. */
export async function isDirectory(client: WrennClient, { id, path }: SandboxPlace): Promise<boolean> {
  const { exit_code } = await client.sandboxes.exec(id, { cmd: "test", args: ["-d", path] });
  return exit_code === 0;
}

/** Makes a directory and those above it. */
export async function makeDirectory(client: WrennClient, { id, path }: SandboxPlace): Promise<void> {
  const { exit_code, stderr } = await client.sandboxes.exec(id, { cmd: "mkdir", args: ["-p", "--", path] });
  if (exit_code !== 0) throw new CliError(`cannot make the directory ${path} in ${id}: ${stderr.trim()}`);
}
