// A process in a guest that shows whether anything was lost: random memory of its own, a count that goes on, a file.
import assert from "node:assert/strict";
import type { WrennClient } from "@wrenn/sdk";

/** Keeps 8 MiB of random bytes in memory and counts; answers SIGUSR1 with what it holds. Whoever waits here sleeps. */
const PROGRAM = `
import os, signal, time, zlib
memory, count = os.urandom(8 << 20), 0
def answer(*_):
    with open("/tmp/answer", "w") as fifo: fifo.write(f"{os.getpid()} {zlib.crc32(memory):08x} {count}")
signal.signal(signal.SIGUSR1, answer)
with open("/tmp/pid", "w") as file: file.write(str(os.getpid()))
with open("/tmp/ready", "w"): pass
while True:
    count += 1
    time.sleep(0.02)
`;

const START = `
[ -p /tmp/ready ] || mkfifo /tmp/ready /tmp/answer
python3 -c "$PROGRAM" >/tmp/log 2>&1 &
cat /tmp/ready
`;
const ASK = `kill -USR1 $(cat /tmp/pid); cat /tmp/answer`;

export interface Testimony {
  pid: number;
  /** CRC-32 of what it holds in memory, which a guest without the processor's help counts in a fraction of a second. */
  sum: string;
  /** Grows as long as it runs. */
  count: number;
}

/** Runs a script of sh in a sandbox and returns what it prints. */
export async function sh(
  client: WrennClient,
  id: string,
  script: string,
  envs: Record<string, string> = {},
): Promise<string> {
  const result = await client.sandboxes.exec(id, { cmd: "sh", args: ["-c", script], envs, timeout_sec: 60 });
  assert.equal(result.exit_code, 0, `${script}: ${JSON.stringify(result)}`);
  return result.stdout.trim();
}

export async function startWitness(client: WrennClient, id: string): Promise<Testimony> {
  await sh(client, id, START, { PROGRAM });
  return await askWitness(client, id);
}

export async function askWitness(client: WrennClient, id: string): Promise<Testimony> {
  const [pid, sum = "", count] = (await sh(client, id, ASK)).split(" ");
  assert.match(sum, /^[0-9a-f]{8}$/);
  return { pid: Number(pid), sum, count: Number(count) };
}

/** The same process with the same memory, which has gone on since. */
export function assertWentOn(before: Testimony, now: Testimony, what: string): void {
  assert.deepEqual([now.pid, now.sum], [before.pid, before.sum], what);
  assert.ok(now.count >= before.count, `${what}: counted ${before.count}, then ${now.count}`);
}
