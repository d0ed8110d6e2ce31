// What the disk has damaged of a paused sandbox is found before it goes on: refused, nothing changed, and its disk still boots.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { ConnectError } from "@connectrpc/connect";
import { newSandboxId } from "@wrenn/core";
import { type Agent, newAgent } from "./agent.ts";
import { statusOf } from "./scene.ts";

const CALL_MS = 180_000;
const sandboxId = newSandboxId();

let agent: Agent;
before(async () => {
  agent = await newAgent();
  await agent.start();
  for await (const _ of agent.rpc.buildTemplate({ name: "minimal" }, { timeoutMs: 0 }));
  const request = { sandboxId, template: "minimal", vcpus: 1, memoryMb: 512, timeoutSec: 0, start: "clone" };
  await agent.rpc.createSandbox(request, { timeoutMs: CALL_MS });
  await sh("echo kept > /home/user/word; sync; echo memory > /dev/shm/word");
  await agent.rpc.pauseSandbox({ sandboxId }, { timeoutMs: CALL_MS });
});
after(() => agent?.[Symbol.asyncDispose]());

describe("a paused sandbox whose snapshot the disk has damaged", () => {
  it("is refused for one bit of its memory or its devices, while the host agent runs", async () => {
    for (const file of ["memory.bin", "devices.bin"]) {
      const mend = flip(file);
      await assertRefused(new RegExp(`${file.split(".")[0]} is not what was written`));
      mend();
    }
  });

  it("is refused for one bit of its header by an agent that has just started", async () => {
    await agent.stop("SIGKILL");
    const mend = flip("header.bin");
    await agent.start();
    await assertRefused(/header is not what was written/);
    mend();
  });

  it("goes on as a whole once that is mended", async () => {
    await resume();
    assert.equal(await sh("cat /dev/shm/word /home/user/word"), "memory\nkept");
    await sh("echo later > /home/user/word; sync");
    await agent.rpc.pauseSandbox({ sandboxId }, { timeoutMs: CALL_MS });
  });

  it("is refused without its manifest, boots from its disk, and can be paused and resumed again", async () => {
    await agent.stop("SIGKILL");
    const generation = generationOf();
    rmSync(fileOf("manifest.json"));
    await agent.start();
    assert.match(agent.log(), new RegExp(`cannot be read: nothing is collected|${generation}`));
    await assertRefused(/manifest cannot be read/);
    await resume("cold");
    assert.equal(await sh("cat /home/user/word"), "later");
    assert.equal(await sh("ls /dev/shm"), "", "its memory is a new one");
    await sh("echo new > /dev/shm/word");
    await agent.rpc.pauseSandbox({ sandboxId }, { timeoutMs: CALL_MS });
    assert.ok(readdirSync(join(agent.dataDir, "snapshots")).includes(generation), "its disk lies there");
    await resume();
    assert.equal(await sh("cat /dev/shm/word /home/user/word"), "new\nlater");
  });
});

/** Refused with the reason; status, record and snapshots are what they were. */
async function assertRefused(why: RegExp): Promise<void> {
  const files = () => readdirSync(join(agent.dataDir, "snapshots"), { recursive: true }).sort();
  const before = [files(), generationOf()];
  await assert.rejects(resume(), (error: unknown) => {
    assert.ok(error instanceof ConnectError);
    assert.equal(error.metadata.get("wrenn-code"), "snapshot_damaged", error.message);
    assert.match(error.message, why);
    return true;
  });
  assert.equal(await statusOf(agent, sandboxId), "paused");
  assert.deepEqual([files(), generationOf()], before);
}

/** Changes one bit in the middle of a file of its last generation. Returns what puts it back. */
function flip(name: string): () => void {
  const path = fileOf(name);
  const bytes = readFileSync(path);
  const other = Buffer.from(bytes);
  const at = bytes.length >> 1;
  other[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, other);
  return () => writeFileSync(path, bytes);
}

function fileOf(name: string): string {
  return join(agent.dataDir, "snapshots", generationOf(), name);
}

function generationOf(): string {
  const record = readFileSync(join(agent.dataDir, "sandboxes", sandboxId, "sandbox.json"), "utf8");
  return (JSON.parse(record) as { snapshot: string }).snapshot;
}

async function resume(start = ""): Promise<void> {
  await agent.rpc.resumeSandbox({ sandboxId, timeoutSec: 0, start }, { timeoutMs: CALL_MS });
}

async function sh(script: string): Promise<string> {
  const request = { sandboxId, cmd: "sh", args: ["-c", script], timeoutSec: 60 };
  const { exitCode, stdout } = await agent.rpc.exec(request, { timeoutMs: CALL_MS });
  assert.equal(exitCode, 0, script);
  return Buffer.from(stdout).toString().trim();
}
