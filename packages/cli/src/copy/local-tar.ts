// tar(1) on this machine, at one end of a pipe.
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { CliError } from "../failure.ts";

/** Packs what is in `dir`, or one entry of it. */
export function packLocal(dir: string, entry = "."): { output: Readable; done: Promise<void> } {
  const child = spawn("tar", ["-C", dir, "-cf", "-", "--", entry], { stdio: ["ignore", "pipe", "pipe"] });
  return { output: child.stdout, done: ended(child) };
}

/**
 * Unpacks into `dir`. The archive comes from a sandbox, which may be hostile: GNU tar refuses absolute
 * names, `..` and ways through symbolic links by itself; owners and special modes are not taken over,
 * and root gives up making device files.
 */
export function unpackLocal(dir: string): { input: Writable; done: Promise<void> } {
  const tar = ["tar", "-C", dir, "--no-same-owner", "--no-same-permissions", "-xf", "-"];
  const isRoot = process.platform === "linux" && process.getuid?.() === 0;
  const [command = "", ...args] = isRoot ? ["setpriv", "--bounding-set=-mknod", ...tar] : tar;
  const child = spawn(command, args, { stdio: ["pipe", "ignore", "pipe"] });
  child.stdin.on("error", () => undefined); // its exit status says why it stopped reading
  return { input: child.stdin, done: ended(child) };
}

function ended(child: ChildProcessByStdio<Writable | null, Readable | null, Readable>): Promise<void> {
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-4096);
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.on("error", reject);
  child.on("close", (code) => {
    if (code === 0) resolve();
    else reject(new CliError(`tar ended with ${code}: ${stderr.trim()}`));
  });
  promise.catch(() => undefined); // looked at when the transfer is over
  return promise;
}
