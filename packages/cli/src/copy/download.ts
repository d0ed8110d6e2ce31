// From a sandbox to this machine.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, normalize } from "node:path/posix";
import { finished, pipeline } from "node:stream/promises";
import type { WrennClient } from "@wrenn/sdk";
import { CliError, UsageError } from "../failure.ts";
import { isDirectory } from "./guest.ts";
import { unpackLocal } from "./local-tar.ts";
import type { LocalPlace, SandboxPlace } from "./place.ts";
import type { Transfer } from "./upload.ts";

export async function download(transfer: Transfer<SandboxPlace, LocalPlace>): Promise<void> {
  const { client, from, to, stdout, signal } = transfer;
  if (to.kind === "stdio") {
    const content = await client.files.readStream(from.id, from.path, { signal });
    for await (const chunk of content) if (!stdout.write(chunk)) await once(stdout, "drain");
    return;
  }
  const isTree = await isDirectory(client, from);
  const intoDirectory = to.path.endsWith("/") || (await isLocalDirectory(to.path));
  const name = basename(normalize(from.path));
  if (intoDirectory && name === "")
    throw new UsageError("a whole root file system needs a target that does not exist");
  const target = intoDirectory ? join(to.path, name) : to.path;
  if (isTree) await downloadDirectory(target, transfer);
  else await downloadFile(target, transfer);
}

/** The target appears whole, or stays as it was. */
async function downloadFile(
  target: string,
  { client, from, signal }: Transfer<SandboxPlace, LocalPlace>,
): Promise<void> {
  const content = await client.files.readStream(from.id, from.path, { signal });
  const temporary = join(dirname(target), `.wrenn-cp-${randomBytes(6).toString("hex")}`);
  try {
    await pipeline(content as AsyncIterable<Uint8Array>, createWriteStream(temporary, { flags: "wx" }));
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function downloadDirectory(
  target: string,
  { client, from, signal }: { client: WrennClient; from: SandboxPlace; signal: AbortSignal },
): Promise<void> {
  await mkdir(target, { recursive: true });
  const pack = { cmd: "tar", args: ["-C", from.path, "-cf", "-", "--", "."] };
  await using stream = await client.sandboxes.execStream(from.id, pack, { signal });
  const { input, done } = unpackLocal(target);
  let complaint = "";
  for await (const { type, data } of stream) {
    if (type === "stderr") complaint = (complaint + Buffer.from(data).toString()).slice(-4096);
    else if (!input.write(data)) await Promise.race([once(input, "drain"), done]);
  }
  const { exitCode } = await stream.wait();
  input.end();
  await finished(input).catch(() => undefined); // `done` says why it stopped reading
  await done;
  if (exitCode !== 0) throw new CliError(`tar in the sandbox ended with ${exitCode}: ${complaint.trim()}`);
}

async function isLocalDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
