// qemu-img on files that a guest's VMM could write: as nobody, with no network, seeing only those files.
import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { MIB, WrennError } from "@wrenn/core";
import { type Cgroup, kill, MERGED_USR, SYSTEM_BINDS, spawnConfined } from "@wrenn/linux";

/** Where files that are only read are seen, by number; what may be written is below `/work`. */
export const INSIDE = {
  layer: (index: number) => `/layers/${index}`,
  work: (name: string) => `/work/${name}`,
};

export interface QemuImgOptions {
  args: readonly string[];
  /** Seen read-only as `INSIDE.layer(index)`. */
  layers: readonly string[];
  /** Owned by `uid`, seen as `/work`. */
  work: string;
  /** Outside of what the program sees: for what it prints. */
  logDir: string;
  uid: number;
  maxFileBytes: number;
  cgroup?: Cgroup | undefined;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** Runs it to its end. Throws `internal` with its last words, `no_space` never: that it says in words only. */
export async function confinedQemuImg(options: QemuImgOptions): Promise<void> {
  await mkdir(options.logDir, { recursive: true, mode: 0o700 });
  const log = join(options.logDir, "qemu-img.log");
  await using output = await open(log, "w", 0o600);
  const signal = AbortSignal.any([
    AbortSignal.timeout(options.timeoutMs),
    ...(options.signal ? [options.signal] : []),
  ]);
  signal.throwIfAborted();
  const program = await spawnConfined(
    {
      uid: options.uid,
      gid: options.uid,
      netns: null,
      binds: {
        ro: [...SYSTEM_BINDS, ...options.layers.map((from, index) => ({ from, to: INSIDE.layer(index) }))],
        rw: [{ from: options.work, to: "/work" }],
      },
      symlinks: MERGED_USR,
      limits: { nofile: 64, nproc: 64, fsizeBytes: options.maxFileBytes },
      chdir: "/work",
    },
    ["/usr/bin/qemu-img", ...options.args],
    {
      stdout: output.fd,
      stderr: output.fd,
      env: { PATH: "/usr/bin", LC_ALL: "C" },
      cgroup: options.cgroup,
    },
  );
  const stop = () => kill(program.identity, "SIGKILL");
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  const { status } = await program.exited;
  signal.removeEventListener("abort", stop);
  options.signal?.throwIfAborted();
  if (status === 0) return;
  const said = (await readFile(log)).subarray(-MIB / 256).toString("utf8");
  throw new WrennError("internal", `qemu-img ${options.args[0]} ended with ${status}: ${said.trim()}`);
}
