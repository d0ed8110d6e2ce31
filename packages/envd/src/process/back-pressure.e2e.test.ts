// Output that nobody takes as fast as it comes.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Signal } from "@wrenn/rpc/envd";
import { run, until } from "../testing/run-command.ts";
import { RunningEnvd, TOKEN } from "../testing/running-envd.ts";
import { byPid } from "../testing/started.ts";

const MIB = 1024 * 1024;
const LINE = "0123456789abcdef\n";
const SIZE = 100 * MIB;
const FLOOD = ["-c", `yes 0123456789abcdef | head -c ${SIZE}`];
/** Kernel socket buffers on loopback, the runtime's own, and what garbage collection leaves lying. */
const MAX_GROWTH = 64 * MIB;

/** How much the pipeline's `head` has written so far. */
function written(pid: number): number {
  return Number(/^wchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
}

test("100 MiB reach a slow reader complete and in order, and the process waits for it", async () => {
  await using envd = await RunningEnvd.start();
  await run(envd.process, ["true"]);
  const before = envd.rss;
  let peak = 0;
  let length = 0;
  let heldUp = 0;
  let pid = 0;
  const hash = createHash("sha256");
  for await (const { event } of envd.process.start({ process: { cmd: "sh", args: FLOOD }, stdin: false })) {
    const told = event?.event;
    if (told?.case === "start") pid = told.value.pid;
    if (told?.case === "end") assert.equal(told.value.exitCode, 0);
    if (told?.case !== "data") continue;
    const bytes = told.value.output.value ?? new Uint8Array();
    hash.update(bytes);
    const step = Math.floor(length / (10 * MIB));
    length += bytes.length;
    if (Math.floor(length / (10 * MIB)) === step) continue;
    // A slow reader: takes nothing until the writers have come to a stand.
    const total = () => children(pid).reduce((sum, child) => sum + written(child), 0);
    for (let last = -1, same = 0; same < 5; ) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      const now = total();
      same = now === last ? same + 1 : 0;
      last = now;
    }
    if (children(pid).length > 0) heldUp++;
    peak = Math.max(peak, envd.rss);
  }
  assert.equal(length, SIZE);
  const expected = createHash("sha256")
    .update(LINE.repeat(Math.ceil(SIZE / LINE.length)).slice(0, SIZE))
    .digest("hex");
  assert.equal(hash.digest("hex"), expected);
  assert.ok(heldUp >= 5, `the writers were held up ${heldUp} times`);
  assert.ok(peak - before < MAX_GROWTH, `grew by ${(peak - before) / MIB} MiB`);
});

test("with nobody attached the process runs on and its output is dropped", async () => {
  await using envd = await RunningEnvd.start();
  const dir = mkdtempSync(join(tmpdir(), "envd-"));
  try {
    const leaving = new AbortController();
    const script = `read go; yes | head -c ${SIZE}; echo complete > ${dir}/done; sleep 1000`;
    const events = envd.process
      .start({ process: { cmd: "sh", args: ["-c", script] } }, { signal: leaving.signal })
      [Symbol.asyncIterator]();
    const pid = (await events.next()).value?.event?.event.value?.pid as number;
    const before = envd.rss;
    leaving.abort();
    await assert.rejects(events.next());
    await envd.process.sendInput({
      process: byPid(pid),
      input: { input: { case: "stdin", value: Buffer.from("\n") } },
    });
    await until("all of it is written", () => fileText(`${dir}/done`) === "complete\n", 30_000);
    assert.ok(envd.rss - before < MAX_GROWTH);
    await envd.process.sendSignal({ process: byPid(pid), signal: Signal.SIGKILL, tree: true });
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("a reader that has stalled for too long is cut off, and the process goes on", async () => {
  await using envd = await RunningEnvd.start({ args: ["--stall-ms", "500"] });
  const body = JSON.stringify({ process: { cmd: "sh", args: FLOOD }, stdin: false, tag: "flood" });
  const length = Buffer.alloc(5);
  length.writeUInt32BE(body.length, 1);
  const socket = connect(Number(new URL(envd.url).port), "127.0.0.1");
  socket.write(
    `POST /process.Process/Start HTTP/1.1\r\nHost: x\r\nX-Access-Token: ${TOKEN}\r\n` +
      `Content-Type: application/connect+json\r\nContent-Length: ${body.length + 5}\r\n\r\n`,
  );
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => undefined);
  socket.write(Buffer.concat([length, Buffer.from(body)]));
  await once(socket, "data");
  socket.pause();
  // An attentive reader beside it is held up by the other one only until that is cut off.
  let end: number | undefined;
  for await (const { event } of envd.process.connect({
    process: { selector: { case: "tag", value: "flood" } },
  })) {
    if (event?.event.case === "end") end = event.event.value.exitCode;
  }
  assert.equal(end, 0);
  let tail = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    tail = Buffer.concat([tail, chunk]).subarray(-64);
  });
  socket.resume();
  await closed;
  assert.ok(!tail.toString("latin1").endsWith("0\r\n\r\n"), "the answer must not look complete");
});

test("no descriptor is left behind", async () => {
  await using envd = await RunningEnvd.start();
  const some = async () => {
    await run(envd.process, ["echo", "x"]);
    await run(envd.process, ["cat"], { stdin: true, timeoutMs: 20 });
    await run(envd.process, ["echo", "x"], { pty: { size: { cols: 80, rows: 24 } } });
    await run(envd.process, ["no-such-command"]).catch(() => undefined);
  };
  await some();
  const before = envd.openFiles;
  for (let i = 0; i < 15; i++) await some();
  await until("all are closed", () => envd.openFiles <= before + 1);
});

/** Children of the shell: the pipeline. */
function children(pid: number): number[] {
  return fileText(`/proc/${pid}/task/${pid}/children`)
    .split(" ")
    .filter(Boolean)
    .map(Number)
    .filter((child) => fileText(`/proc/${child}/io`) !== "");
}

function fileText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
