// From images to a lab whose guest agent answers.
import { spawn } from "node:child_process";
import { mkdir, open, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { newToken, WrennError } from "@wrenn/core";
import { ENVD_PORT } from "@wrenn/envd";
import { kill, processIdentity, run, waitForExit } from "@wrenn/linux";
import { kernelCommandLine, tscKhz } from "@wrenn/template";
import { LabGuest } from "../guest/lab-guest.ts";
import type { LabImages } from "../image/images.ts";
import { HOST_AGENT_PORT, labLayout } from "../layout.ts";
import { labArguments } from "./arguments.ts";
import { findLab, type LabRecord, writeRecord } from "./record.ts";

const BINARY = "/usr/bin/qemu-system-x86_64";
/** As for every guest under TCG: a boot may hang in the kernel's timer calibration, and is then tried once more. */
const BOOT_DEADLINE_MS = 90_000;
const BOOT_ATTEMPTS = 2;
/** What guards against other programs on a processor costs an emulated one much, and a lab runs none that it fears. */
const LAB_PARAMETERS = ["mitigations=off"];
const TOOL_TIMEOUT_MS = 30_000;
const KILL_TIMEOUT_MS = 20_000;

/** Boots the lab of a directory. Throws `invalid_state` when one runs there. */
export async function bootLab(dir: string, images: LabImages, signal?: AbortSignal): Promise<LabRecord> {
  if (await findLab(dir)) throw new WrennError("invalid_state", `a lab runs in ${dir} already`);
  for (let attempt = 1; ; attempt++) {
    const record = await startMachine(dir, images);
    try {
      using guest = new LabGuest(record);
      await guest.awaken(
        AbortSignal.any([AbortSignal.timeout(BOOT_DEADLINE_MS), ...(signal ? [signal] : [])]),
      );
      return record;
    } catch (cause) {
      const tail = (await readFile(labLayout(dir).console, "utf8").catch(() => "")).slice(-2000);
      await endLab(record);
      signal?.throwIfAborted();
      if (attempt < BOOT_ATTEMPTS) continue;
      throw new WrennError("internal", `the lab did not come up; its console ends with:\n${tail}`, { cause });
    }
  }
}

/** Ends the machine and removes what it wrote. */
export async function endLab(record: LabRecord): Promise<void> {
  kill(record.process, "SIGKILL");
  if (!(await waitForExit(record.process, KILL_TIMEOUT_MS))) {
    throw new WrennError("internal", `the lab's machine (process ${record.process.pid}) does not end`);
  }
  const layout = labLayout(record.dir);
  for (const path of [layout.record, layout.systemTop, layout.storeTop]) await rm(path, { force: true });
}

async function startMachine(dir: string, images: LabImages): Promise<LabRecord> {
  const layout = labLayout(dir);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await writableTop(layout.systemTop, images.system);
  await writableTop(layout.storeTop, images.store);
  const [guestPort, hostPort] = [await freePort(), await freePort()];
  await using output = await open(layout.console, "w", 0o600);
  const args = labArguments({
    kernel: images.guest.kernel,
    initramfs: images.guest.initramfs,
    commandLine: kernelCommandLine({ tscKhz: await tscKhz(), extra: LAB_PARAMETERS }),
    console: layout.console,
    disks: [
      { path: layout.systemTop, format: "qcow2", readOnly: false, base: images.system },
      { path: images.guest.agentDrive, format: "raw", readOnly: true },
      { path: layout.storeTop, format: "qcow2", readOnly: false, base: images.store },
      { path: layout.code, format: "raw", readOnly: true },
    ],
    forward: [
      { from: guestPort, to: ENVD_PORT },
      { from: hostPort, to: HOST_AGENT_PORT },
    ],
  });
  const child = spawn(BINARY, args, { detached: true, stdio: ["ignore", output.fd, output.fd] });
  child.unref();
  await new Promise<void>((resolve, reject) => child.once("spawn", resolve).once("error", reject));
  const process = child.pid === undefined ? undefined : processIdentity(child.pid);
  if (!process) throw new WrennError("internal", `${BINARY} ended at once; see ${layout.console}`);
  const record = { dir, process, guestPort, hostPort, token: newToken() };
  await writeRecord(record);
  return record;
}

/** A throw-away layer: images in the cache are never written. */
async function writableTop(path: string, base: string): Promise<void> {
  await rm(path, { force: true });
  await run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, path], {
    timeoutMs: TOOL_TIMEOUT_MS,
  });
}

/** A TCP port of the loopback that is free now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("a TCP server has an address");
  return address.port;
}
