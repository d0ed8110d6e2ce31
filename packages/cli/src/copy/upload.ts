// From this machine into a sandbox.
import { openAsBlob } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path/posix";
import { type WrennClient, WrennConnectionError } from "@wrenn/sdk";
import { CliError } from "../failure.ts";
import { isDirectory, makeDirectory } from "./guest.ts";
import { packLocal } from "./local-tar.ts";
import type { LocalPlace, SandboxPlace } from "./place.ts";

export interface Transfer<From, To> {
  client: WrennClient;
  from: From;
  to: To;
  stdin: NodeJS.ReadStream;
  stdout: NodeJS.WriteStream;
  signal: AbortSignal;
}

export async function upload(transfer: Transfer<LocalPlace, SandboxPlace>): Promise<void> {
  const { client, from, to, stdin, signal } = transfer;
  if (from.kind === "stdio") return client.files.write(to.id, to.path, stdin, { signal });
  const source = await stat(from.path);
  const intoDirectory = to.path.endsWith("/") || (await isDirectory(client, to));
  const name = basename(resolve(from.path));
  const target = { ...to, path: intoDirectory ? join(to.path, name) : to.path };
  if (source.isDirectory()) return uploadDirectory(from.path, target, transfer);
  if (source.isFile()) {
    return client.files.write(target.id, target.path, await openAsBlob(from.path), { signal });
  }
  throw new CliError(`${from.path} is neither a file nor a directory`);
}

async function uploadDirectory(
  dir: string,
  target: SandboxPlace,
  { client, signal }: Pick<Transfer<unknown, unknown>, "client" | "signal">,
): Promise<void> {
  await makeDirectory(client, target);
  const unpack = { cmd: "tar", args: ["-C", target.path, "-xf", "-"] };
  await using stream = await client.sandboxes.execStream(target.id, unpack, { signal });
  const { output, done } = packLocal(dir);
  const send = async () => {
    for await (const chunk of output) await stream.writeStdin(chunk as Uint8Array);
    await done; // an archive that is not whole is not ended properly
    await stream.closeStdin();
  };
  const sending = send().finally(() => output.destroy());
  sending.catch(() => stream.stop().catch(() => undefined));
  let complaint = "";
  for await (const { type, data } of stream) {
    if (type === "stderr") complaint = (complaint + Buffer.from(data).toString()).slice(-4096);
  }
  const { exitCode } = await stream.wait();
  if (exitCode !== 0 && complaint !== "") throw new CliError(`tar in the sandbox: ${complaint.trim()}`);
  if (exitCode !== 0) throw new CliError(`tar in the sandbox ended with ${exitCode}`);
  // The archive says itself where it ends: tar may be done before its input is closed, but not before that.
  await sending.catch(async (reason: unknown) => {
    if (!(reason instanceof WrennConnectionError)) throw reason;
    await done;
  });
}
