// A process in a guest that shows whether anything was lost: random memory of its own and a count that goes on; and what
// tells a machine from its copies.
import assert from "node:assert/strict";
import type { WrennClient } from "@wrenn/sdk";

/**
 * Keeps 8 MiB of random bytes in memory and counts; answers SIGUSR1 with what it holds. Whoever waits here sleeps. In Perl,
 * which an emulated guest starts in a fraction of the time that Python takes.
 */
const PROGRAM = `
use Digest::MD5 "md5_hex";
open my $random, "<:raw", "/dev/urandom" or die $!;
read($random, my $memory, 8 << 20) == 8 << 20 or die $!;
my $count = 0;
$SIG{USR1} = sub { tell_to("/tmp/answer", "$$ " . md5_hex($memory) . " $count") };
sub tell_to { open my $to, ">", $_[0] or die $!; print $to $_[1]; close $to or die $! }
tell_to("/tmp/pid", $$);
tell_to("/tmp/ready", "");
while (1) { $count++; select undef, undef, undef, 0.02 }
`;

const START = `
[ -p /tmp/ready ] || mkfifo /tmp/ready /tmp/answer
perl -e "$PROGRAM" >/tmp/log 2>&1 &
cat /tmp/ready
`;
const ASK = `kill -USR1 $(cat /tmp/pid); cat /tmp/answer`;

export interface Testimony {
  pid: number;
  /** MD5 of what it holds in memory, which an emulated guest counts in a fraction of a second. */
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
  assert.match(sum, /^[0-9a-f]{32}$/);
  return { pid: Number(pid), sum, count: Number(count) };
}

/** The same process with the same memory, which has gone on since. */
export function assertWentOn(before: Testimony, now: Testimony, what: string): void {
  assert.deepEqual([now.pid, now.sum], [before.pid, before.sum], what);
  assert.ok(now.count >= before.count, `${what}: counted ${before.count}, then ${now.count}`);
}

/** What distinguishes a machine from its copies. */
const IDENTITY =
  "cat /proc/sys/kernel/random/uuid /etc/machine-id; hostname; head -c 16 /dev/urandom | od -An -tx1";

/** Sandboxes that are copies of one another differ in all of that. */
export async function assertDistinct(client: WrennClient, ids: readonly string[]): Promise<void> {
  const lines = (await Promise.all(ids.map((id) => sh(client, id, IDENTITY)))).map((text) =>
    text.split("\n"),
  );
  for (const line of [0, 1, 2, 3])
    assert.equal(
      new Set(lines.map((texts) => texts[line])).size,
      ids.length,
      `line ${line}: ${lines.join("; ")}`,
    );
}
