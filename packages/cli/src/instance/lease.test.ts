import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Progress } from "../output/progress.ts";
import { type LeaseOptions, leasePlatform } from "./lease.ts";
import { ownIdentity } from "./process-identity.ts";

const URL = "http://127.0.0.1:4321";

/** A data directory whose platform is this process, as far as its instance file says. */
function platform(): { options: LeaseOptions; dir: string; commands: string[]; up(): void } & Disposable {
  const dir = mkdtempSync(join(tmpdir(), "wrenn-lease-"));
  const commands: string[] = [];
  const up = () => {
    writeFileSync(join(dir, "instance.json"), JSON.stringify({ url: URL, ...ownIdentity() }));
    writeFileSync(join(dir, "api-key"), "wrn_local\n");
  };
  const supervise = async ([command = "", ...args]: readonly string[]) => {
    assert.ok(args.join(" ").includes(`--data-dir ${dir}`));
    commands.push(command);
    if (command === "up") up();
    else rmSync(join(dir, "instance.json"));
  };
  const { signal } = new AbortController();
  const options = { dataDir: dir, progress: new Progress(() => undefined), signal, supervise };
  return { options, dir, commands, up, [Symbol.dispose]: () => rmSync(dir, { recursive: true }) };
}

describe("leasePlatform()", () => {
  it("starts the platform and stops it again", async () => {
    using fake = platform();
    {
      await using lease = await leasePlatform(fake.options);
      assert.deepEqual(lease.target, { url: URL, apiKey: "wrn_local" });
      assert.deepEqual(fake.commands, ["up"]);
    }
    assert.deepEqual(fake.commands, ["up", "down"]);
    assert.ok(!existsSync(join(fake.dir, "leases")));
  });

  it("leaves a platform alone that somebody else started", async () => {
    using fake = platform();
    fake.up();
    {
      await using lease = await leasePlatform(fake.options);
      assert.equal(lease.target.url, URL);
    }
    assert.deepEqual(fake.commands, []);
  });

  it("leaves the stop to the last lease, killed ones not counted", async () => {
    using fake = platform();
    const other = spawn("sleep", ["60"]);
    await once(other, "spawn");
    const lease = await leasePlatform(fake.options);
    const start_time = await startTimeOf(other.pid as number);
    writeFileSync(join(fake.dir, "leases", `${other.pid}-${start_time}`), "");
    await lease[Symbol.asyncDispose]();
    assert.deepEqual(fake.commands, ["up"]);

    const second = await leasePlatform(fake.options);
    other.kill("SIGKILL");
    await once(other, "exit");
    await second[Symbol.asyncDispose]();
    assert.deepEqual(fake.commands, ["up", "down"]);
  });

  it("leaves nothing behind when the platform does not start", async () => {
    using fake = platform();
    const supervise = async () => {
      throw new Error("no root");
    };
    await assert.rejects(leasePlatform({ ...fake.options, supervise }), /no root/);
    mkdirSync(join(fake.dir, "leases")); // would fail if it were there
  });
});

async function startTimeOf(pid: number): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  const stat = await readFile(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] as string;
}
