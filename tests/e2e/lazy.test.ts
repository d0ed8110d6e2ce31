// Memory that arrives while its guest runs, on a whole platform: little of it before the first exec, all of it in the end,
// and nothing lost when something happens in between.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { WrennClient } from "@wrenn/sdk";
import { decodeHeader, livePages } from "@wrenn/snapshot";
import { residentGuestBytes } from "../../bench/resident.ts";
import { type Platform, startPlatform } from "./platform.ts";
import { pidsOf } from "./processes.ts";
import { untilStatus } from "./until-status.ts";
import { askWitness, assertDistinct, assertWentOn, sh, startWitness, type Testimony } from "./witness.ts";

const MIB = 1024 * 1024;
/** Of the memory in use, what may have been loaded when the first exec is answered. */
const MAX_SHARE = 0.15;

/**
 * Holds that many MiB, and answers SIGUSR1 with a sum over all pages: of each eighth MiB every byte, of the others one of
 * each page, for an emulated guest takes half a minute to sum up all of them. In Perl, as the witness.
 */
const HOLDER = `
use Digest::MD5;
my $count = shift;
open my $random, "<:raw", "/dev/urandom" or die $!;
read($random, my $block, 1 << 20) == 1 << 20 or die $!;
my @held;
for my $at (0 .. $count - 1) { substr($block, 0, 4) = pack "N", $at; push @held, $block }
sub tell_to { open my $to, ">", "$_[0].new" or die $!; print $to $_[1]; close $to or die $!; rename "$_[0].new", $_[0] }
$SIG{USR1} = sub {
  my $sum = Digest::MD5->new;
  for my $at (0 .. $#held) { $sum->add($at % 8 ? unpack "(ax4095)*", $held[$at] : $held[$at]) }
  tell_to("/tmp/sum", $sum->hexdigest);
};
tell_to("/tmp/holder", $$);
while (1) { sleep 1 }
`;
const hold = (client: WrennClient, id: string, mib: number) =>
  sh(
    client,
    id,
    `perl -e "$HOLDER" ${mib} >/tmp/holder.log 2>&1 & until [ -e /tmp/holder ]; do sleep 0.05; done`,
    { HOLDER },
  );
const sumOf = (client: WrennClient, id: string) =>
  sh(
    client,
    id,
    "rm -f /tmp/sum; kill -USR1 $(cat /tmp/holder); until [ -e /tmp/sum ]; do sleep 0.05; done; cat /tmp/sum",
  );

describe("memory that arrives while its guest runs", () => {
  let platform: Platform;
  let client: WrennClient;
  before(async () => {
    platform = await startPlatform({ WRENN_MEMORY: "lazy" });
    client = platform.client;
  });
  after(() => platform?.stop());

  const machineOf = (id: string): number => {
    const [pid, ...others] = pidsOf((argv) => /qemu-system/.test(argv[0] ?? "") && argv.includes(id));
    assert.ok(pid !== undefined && others.length === 0, `one machine of ${id}`);
    return pid;
  };

  /** Bytes of a paused sandbox's memory that are not zero. */
  function inUse(id: string): number {
    const at = (...path: string[]) => readFileSync(join(platform.dataDir, ...path));
    const { snapshot } = JSON.parse(at("sandboxes", id, "sandbox.json").toString());
    const { map } = decodeHeader(at("snapshots", snapshot, "header.bin"));
    return 4096 * [...livePages(map).values()].reduce((sum, count) => sum + count, 0);
  }

  it("has loaded at most 15 % of 600 MB when the first exec is answered, and every byte in the end", async (t) => {
    const { id } = await platform.sandbox({ memory_mb: 1024, timeout_sec: 0, start: "cold" });
    await hold(client, id, 520);
    const sum = await sumOf(client, id);
    await client.sandboxes.pause(id);
    const used = inUse(id);
    assert.ok(used > 570 * MIB, `${used} bytes are in use`);
    await client.sandboxes.resume(id);
    assert.equal(await sh(client, id, "echo up"), "up");
    const loaded = residentGuestBytes(machineOf(id), 1024 * MIB);
    const share = loaded / used;
    t.diagnostic(
      `first exec with ${(loaded / MIB).toFixed(1)} of ${(used / MIB).toFixed(0)} MiB: ${(100 * share).toFixed(1)} %`,
    );
    assert.ok(share > 0 && share <= MAX_SHARE, `${loaded} of ${used} bytes`);
    assert.equal(await sumOf(client, id), sum);
    await client.sandboxes.delete(id);
  });

  describe("in a sandbox with a witness and 64 MiB", () => {
    let id: string;
    let witness: Testimony;
    let sum: string;
    before(async () => {
      ({ id } = await platform.sandbox({ timeout_sec: 0 }));
      witness = await startWitness(client, id);
      await hold(client, id, 64);
      sum = await sumOf(client, id);
    });
    after(() => client.sandboxes.delete(id));

    it("loses nothing when it is paused, forked, saved or taken back before it is all there", async () => {
      for (let generation = 0; generation < 3; generation++) {
        await client.sandboxes.pause(id);
        await client.sandboxes.resume(id);
        await sh(client, id, `echo ${generation} | tee -a /home/user/log >> /dev/shm/log`);
      }
      const [fork] = await client.sandboxes.fork(id);
      assert.ok(fork);
      await client.snapshots.create({ sandbox_id: id, name: "midway" });
      const copy = await client.sandboxes.create({ template: "midway", timeout_sec: 0 });
      const assertWhole = async (each: string, what: string) => {
        assert.equal(await sumOf(client, each), sum, what);
        assert.equal(await sh(client, each, "cat /dev/shm/log /home/user/log"), "0\n1\n2\n0\n1\n2", what);
        assertWentOn(witness, await askWitness(client, each), what);
      };
      await assertWhole(id, "the source");
      await assertWhole(fork.id, "its fork");
      await assertWhole(copy.id, "a sandbox from its snapshot");
      await assertDistinct(client, [id, fork.id, copy.id]);
      for (const status of ["running", "paused"] as const) {
        await sh(
          client,
          id,
          "echo later | tee -a /home/user/log > /dev/shm/log; kill $(cat /tmp/pid) $(cat /tmp/holder)",
        );
        if (status === "paused") await client.sandboxes.pause(id);
        await client.sandboxes.restore(id, { snapshot: "midway" });
        await assertWhole(id, `taken back while ${status}`);
      }
      await client.sandboxes.delete(fork.id);
      await client.snapshots.delete("midway");
      await client.sandboxes.pause(copy.id);
      await client.sandboxes.resume(copy.id);
      await assertWhole(copy.id, "without its snapshot");
      await client.sandboxes.restore(copy.id, { snapshot: "minimal" });
      assert.equal(await sh(client, copy.id, "ls /home/user/log 2>/dev/null || echo none"), "none");
      await client.sandboxes.delete(copy.id);
    });

    it("ends a machine whose host agent died before all was there; its last generation is whole", async () => {
      await client.sandboxes.pause(id);
      await client.sandboxes.resume(id);
      const [agent] = pidsOf(
        (argv, environment) =>
          argv[0] === "wrenn-host-agent" && environment.includes(`WRENN_DATA_DIR=${platform.dataDir}`),
      );
      assert.ok(agent);
      process.kill(agent, "SIGKILL");
      await untilStatus(client, id, "stopped");
      assert.deepEqual(
        pidsOf((argv) => /qemu-system/.test(argv[0] ?? "") && argv.includes(id)),
        [],
      );
      await client.sandboxes.resume(id);
      assert.equal(await sumOf(client, id), sum);
      assertWentOn(witness, await askWitness(client, id), "from its last generation");
    });
  });
});
