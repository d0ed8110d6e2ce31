// Asking QEMU what it has in memory besides the guest's: a machine of the same kind that never runs migrates to us.

import { once } from "node:events";
import { closeSync } from "node:fs";
import { chown, mkdir, open, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { basename, join } from "node:path";
import { Scope, WrennError } from "@wrenn/core";
import {
  type Cgroups,
  confinedFd,
  isAlive,
  listenUnix,
  type ProcessIdentity,
  spawnConfined,
} from "@wrenn/linux";
import { readConsoleTail } from "../../console.ts";
import type { MachineSpec } from "../../vmm.ts";
import { INSIDE, MEMORY_ID, qemuArguments } from "../arguments.ts";
import { machineConfinement, machineLimits } from "../confinement.ts";
import { QmpSession } from "../session.ts";
import type { Roms } from "./blocks.ts";
import { MAX_STREAM_BYTES, readRoms } from "./rom-stream.ts";

const SOCKET = "roms.sock";
/** It starts as any machine does, and sends a few hundred kilobytes. */
const TIMEOUT_MS = 30_000;

/**
 * Starts a process in a directory of its own below the machine's, which has no process yet. What it has is what a
 * machine that is started from an image finds, too: no saved state carries it.
 */
export async function probeRoms(
  spec: MachineSpec,
  { cgroups, binary }: { cgroups: Cgroups; binary: string },
): Promise<Roms> {
  await using scope = new Scope();
  const dir = join(spec.dir, "roms");
  await scope.take(
    "directory",
    () => mkdir(dir, { mode: 0o700 }),
    () => rm(dir, { recursive: true, force: true }),
  );
  await chown(dir, spec.uid, spec.uid);
  const probe: MachineSpec = { ...spec, dir, disks: [], net: undefined, memory: { kind: "fresh" } };
  const cgroup = await scope.take(
    "cgroup",
    () => cgroups.create(`${spec.cgroup}.roms`, machineLimits(spec)),
    async (group) => {
      await group.kill();
      await group.remove();
    },
  );
  await using output = await open(join(dir, basename(INSIDE.console)), "a", 0o600);
  await output.chown(spec.uid, spec.uid);
  const stream = await listenFor(join(dir, SOCKET), spec.uid);
  scope.defer("listener", () => stream.close());
  const path = `${dir}.qmp`;
  scope.defer("control socket", () => rm(path, { force: true }));
  try {
    const control = listenUnix(path);
    let identity: ProcessIdentity;
    try {
      const argv = qemuArguments(spec, { fds: { qmp: confinedFd(0) }, incoming: false, probe: true });
      ({ identity } = await spawnConfined(machineConfinement(probe, []), [binary, ...argv], {
        cgroup,
        stdout: output.fd,
        stderr: output.fd,
        env: { PATH: "/usr/bin", LANG: "C.UTF-8" },
        fds: [control],
      }));
    } finally {
      // From here on the process alone holds it: its end is the end of the socket.
      closeSync(control);
    }
    const session = new QmpSession({ path, isAlive: () => isAlive(identity) });
    scope.defer("control session", () => session.close());
    await session.execute("migrate-set-capabilities", {
      capabilities: [{ capability: "x-ignore-shared", state: true }],
    });
    await session.execute("migrate", { uri: `unix:${INSIDE.dir}/${SOCKET}` });
    return await stream.roms;
  } catch (cause) {
    const said = (await readConsoleTail(join(dir, basename(INSIDE.console)))).trim();
    throw new WrennError(
      "internal",
      `QEMU does not say what ${spec.id} has besides its guest's memory${said ? `: ${said}` : ""}`,
      { cause },
    );
  }
}

/** A socket that the VMM's user may connect to, and what the first who does so sends. */
async function listenFor(path: string, uid: number): Promise<{ roms: Promise<Roms>; close(): void }> {
  const fd = listenUnix(path);
  const server = createServer();
  server.listen({ fd });
  await once(server, "listening");
  await chown(path, uid, uid);
  const roms = once(server, "connection", { signal: AbortSignal.timeout(TIMEOUT_MS) }).then(
    ([socket]: Socket[]) => receive(socket as Socket),
  );
  roms.catch(() => {}); // whoever waits for it is told
  return { roms, close: () => void server.close() };
}

async function receive(socket: Socket): Promise<Roms> {
  const timer = setTimeout(() => socket.destroy(new Error("QEMU stopped sending")), TIMEOUT_MS);
  try {
    let stream = Buffer.alloc(0);
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      stream = Buffer.concat([stream, chunk]);
      const roms = readRoms(stream, MEMORY_ID);
      if (roms) return roms;
      if (stream.length > MAX_STREAM_BYTES) break;
    }
    throw new Error(`the memory's section does not end within ${stream.length} bytes`);
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
