// A small guest that never stops writing patterns into its memory and onto its disk, checking all it wrote before, and
// saying so on its console. What a saved state loses or mixes up, it notices.
import { chmod, chown, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { MIB, Scope } from "@wrenn/core";
import { type Cgroups, detectCgroups, run } from "@wrenn/linux";
import { kernelCommandLine, prepareBoot, tscKhz } from "@wrenn/template";
import { type Disk, type Machine, type MachineSpec, QemuVmm } from "@wrenn/vmm";

/** Shared with the platform, so that what it has prepared is used. */
const CACHE_DIR = process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn";
const WAIT_MS = 120_000;
export const DISK_BYTES: number = 64 * MIB;
/** Above every block's users. */
const FIRST_UID = 1_999_900_000 + (process.pid % 4000) * 20;

/**
 * Four files in memory and four places on the disk, 64 KiB each, take turns. Round n prints `round n`, and `bad` with
 * the place where anything is not as written. The kernel's cache is dropped before the disk is read.
 */
const INIT = `#!/bin/busybox sh
b=/bin/busybox
$b mkdir -p /newroot/proc /newroot/sys /t
$b mount -t proc none /newroot/proc
$b mount -t devtmpfs none /dev
while read m; do $b insmod /modules/$m; done < /modules/order
$b mount -t tmpfs -o size=64m none /t
pattern() { $b yes "wrenn $1" | $b head -c 65536; }
n=0
while :; do
  n=$((n + 1)); k=$((n % 4))
  pattern $n > /t/$k
  pattern $n | $b dd of=/dev/vda bs=64k seek=$k conv=notrunc,fsync 2>/dev/null
  echo 3 > /proc/sys/vm/drop_caches
  for back in 0 1 2 3; do
    m=$((n - back)); j=$((m % 4))
    [ $m -lt 1 ] && continue
    pattern $m | $b cmp -s - /t/$j || echo "bad memory $m"
    $b dd if=/dev/vda bs=64k skip=$j count=1 of=/t/disk 2>/dev/null
    pattern $m | $b cmp -s - /t/disk || echo "bad disk $m"
  done
  echo "round $n"
done
`;

export interface Fixture {
  vmm: QemuVmm;
  cgroups: Cgroups;
  dir: string;
  /** Name and directory of a machine that was not there before; its directory and disk layer are made. */
  place(options?: { layers?: Disk["layers"]; vcpus?: number; memoryMb?: number }): Promise<MachineSpec>;
  /** An empty layer in the machine's own directory. */
  newLayer(spec: MachineSpec): Promise<Disk["layers"][number]>;
  close(): Promise<void>;
}

/** Of all fixtures of this process: each machine has a user, each fixture a group of its own. */
let machines = 0;
let fixtures = 0;

export async function makeFixture(): Promise<Fixture> {
  const scope = new Scope();
  const dir = await scope.take(
    "directory",
    () => mkdtemp(join(tmpdir(), "wrenn-vmm-")),
    (path) => rm(path, { recursive: true }),
  );
  await chmod(dir, 0o755);
  const boot = await prepareBoot({ cacheDir: CACHE_DIR });
  const initramfs = await makeInitramfs(boot.initramfs, dir);
  const commandLine = kernelCommandLine({ tscKhz: await tscKhz() });
  await writeFile(join(dir, "base"), "");
  await truncate(join(dir, "base"), DISK_BYTES);
  const cgroups = detectCgroups();
  const groups = `vmm-test-${process.pid}-${fixtures++}`;
  let layers = 0;
  const newLayer: Fixture["newLayer"] = async (spec) => {
    const path = join(spec.dir, `layer${layers++}.qcow2`);
    await run(["qemu-img", "create", "-q", "-f", "qcow2", path, String(DISK_BYTES)], { timeoutMs: 10_000 });
    await chown(path, spec.uid, spec.uid);
    return { path, format: "qcow2" };
  };
  const place: Fixture["place"] = async (options = {}) => {
    const id = `machine${machines++}`;
    const spec: MachineSpec = {
      id,
      vcpus: options.vcpus ?? 1,
      memoryMb: options.memoryMb ?? 256,
      accelerator: "tcg",
      kernel: boot.kernel,
      initramfs,
      commandLine,
      disks: [],
      net: undefined,
      uid: FIRST_UID + machines,
      dir: join(dir, id, "vm"),
      cgroup: `${groups}/${id}`,
      maxFileBytes: 2 * DISK_BYTES,
    };
    await makeMachineDir(spec);
    const below = options.layers ?? [{ path: join(dir, "base"), format: "raw" }];
    return { ...spec, disks: [{ id: "root", readOnly: false, layers: [...below, await newLayer(spec)] }] };
  };
  return {
    vmm: new QemuVmm({ cgroups }),
    cgroups,
    dir,
    place,
    newLayer,
    async close() {
      // Also what a failed test has left running.
      for (const name of cgroups.list(groups)) {
        const group = cgroups.open(`${groups}/${name}`);
        await group.kill();
        await group.remove();
      }
      await cgroups.open(groups).remove();
      await scope.close();
    },
  };
}

/** The directory that a machine's VMM may write, with a console in it. */
export async function makeMachineDir({ dir, uid }: Pick<MachineSpec, "dir" | "uid">): Promise<void> {
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, "console.log"), "", { mode: 0o600 });
  for (const path of [dir, join(dir, "console.log")]) await chown(path, uid, uid);
}

/** The platform's modules and busybox with another init: the kernel unpacks both archives, the later one on top. */
export async function makeInitramfs(base: string, dir: string): Promise<string> {
  await writeFile(join(dir, "init"), INIT, { mode: 0o755 });
  const own = join(dir, "own.cpio");
  await run(["cpio", "--quiet", "-o", "-H", "newc", "-O", own], {
    timeoutMs: 10_000,
    cwd: dir,
    input: "init\n",
  });
  const path = join(dir, "initramfs");
  await writeFile(path, Buffer.concat([await readFile(base), await readFile(own)]), { mode: 0o644 });
  return path;
}

/** Number of the last round that the guest has completed, 0 for none. Throws when it found anything wrong. */
export async function lastRound(spec: MachineSpec): Promise<number> {
  const text = await readFile(join(spec.dir, "console.log"), "utf8").catch(() => "");
  if (/^bad|[Pp]anic|BUG/m.test(text)) throw new Error(`the guest of ${spec.id} says: ${text.slice(-1000)}`);
  return Number([...text.matchAll(/^round (\d+)\r?$/gm)].at(-1)?.[1] ?? 0);
}

/** Waits until the guest has completed that round. */
export async function reachRound(spec: MachineSpec, machine: Machine, round: number): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  let ended = false;
  void machine.exited.then(() => {
    ended = true;
  });
  while ((await lastRound(spec)) < round) {
    if (ended || performance.now() > deadline) {
      const what = ended ? "ended" : "did not come far enough";
      throw new Error(
        `the guest of ${spec.id} ${what} before round ${round}: ${await machine.consoleTail()}`,
      );
    }
    await delay(5);
  }
}
