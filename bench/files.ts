// Files: through the API, directly to the guest agent, and raw TCP to and from a guest file for scale.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import type { WrennClient } from "@wrenn/sdk";
import type { Result } from "./result.ts";
import { figure } from "./statistics.ts";
import { bytesSource, type GuestTarget, type Target } from "./target.ts";

const MIB = 1024 * 1024;
/** Where raw TCP is accepted in the guest. */
const TCP_PORT = 47001;
/** A sink and a source in the guest's Python: one connection each way, from and to a file. */
const TCP_PEER = `
import socket, sys
s = socket.create_server(("0.0.0.0", ${TCP_PORT}))
print("listening", flush=True)
while True:
    c, _ = s.accept()
    mode = c.recv(1)
    if mode == b"w":
        with open("/home/user/tcp", "wb", buffering=0) as f:
            while (b := c.recv(262144)): f.write(b)
        c.sendall(b"k")
    elif mode == b"r":
        with open("/home/user/tcp", "rb") as f: c.sendfile(f)
    c.close()
`;

/** `rounds` interleaved transfers of `mib` MiB in each direction and way; MiB/s. */
export async function benchFiles(
  target: Target,
  guest: GuestTarget,
  client: WrennClient,
  { mib, rounds }: { mib: number; rounds: number },
): Promise<Result[]> {
  const { sandboxId: id } = target;
  const bytes = mib * MIB;
  const peer = await client.sandboxes.execStream(id, {
    cmd: "python3",
    args: ["-c", TCP_PEER],
  });
  await peer[Symbol.asyncIterator]().next();
  const ways = {
    writeApi: () => client.files.write(id, "/home/user/api", bytesSource(bytes)),
    writeDirect: () => guest.writeFile("/home/user/direct", bytesSource(bytes), bytes),
    writeTcp: () => tcpWrite(target.hostIp, bytes),
    readApi: () => readViaApi(client, id, bytes),
    readDirect: async () => expectSize(await guest.readFile("/home/user/direct"), bytes),
    readTcp: () => tcpRead(target.hostIp, bytes),
  };
  const speeds = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    // Writes come first: each read needs its file. The order within turns so that nobody always goes first.
    for (const direction of ["write", "read"]) {
      const names = (Object.keys(ways) as (keyof typeof ways)[]).filter((name) => name.startsWith(direction));
      for (let i = 0; i < names.length; i++) {
        const name = names[(i + round) % names.length];
        if (name === undefined) continue;
        const began = performance.now();
        await ways[name]();
        const seconds = (performance.now() - began) / 1000;
        speeds.set(name, [...(speeds.get(name) ?? []), mib / seconds]);
      }
    }
  }
  await peer.stop();
  const of = (name: keyof typeof ways) => figure(speeds.get(name) ?? []);
  return [
    {
      name: `files: write ${mib} MiB`,
      unit: "MiB/s",
      platform: of("writeApi"),
      raw: of("writeDirect"),
      promises: [{ number: "P4", of: "ratio", bound: { min: 0.75 } }],
    },
    {
      name: `files: read ${mib} MiB`,
      unit: "MiB/s",
      platform: of("readApi"),
      raw: of("readDirect"),
      promises: [{ number: "P5", of: "ratio", bound: { min: 0.75 } }],
    },
    { name: "raw TCP into a guest file, for scale", unit: "MiB/s", platform: of("writeTcp"), promises: [] },
    { name: "raw TCP out of a guest file, for scale", unit: "MiB/s", platform: of("readTcp"), promises: [] },
  ];
}

async function readViaApi(client: WrennClient, id: string, bytes: number): Promise<void> {
  let size = 0;
  for await (const chunk of await client.files.readStream(id, "/home/user/api")) size += chunk.length;
  expectSize(size, bytes);
}

async function tcpWrite(host: string, bytes: number): Promise<void> {
  const socket = await tcp(host, "w");
  const done = once(socket, "data");
  await pipeline(bytesSource(bytes), socket, { end: false });
  socket.end();
  await done;
}

async function tcpRead(host: string, bytes: number): Promise<void> {
  let size = 0;
  for await (const chunk of (await tcp(host, "r")) as AsyncIterable<Buffer>) size += chunk.length;
  expectSize(size, bytes);
}

async function tcp(host: string, mode: "r" | "w"): Promise<Socket> {
  const socket = connect({ host, port: TCP_PORT, allowHalfOpen: true });
  await once(socket, "connect");
  socket.write(mode);
  return socket;
}

function expectSize(size: number, expected: number): void {
  if (size !== expected) throw new Error(`read ${size} bytes instead of ${expected}`);
}
