// The code interpreter inside the agent, run by Bun: its port, its processes, its streams.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { listProcesses } from "../process/descendants.ts";
import { until } from "../testing/run-command.ts";
import { RunningEnvd, TOKEN } from "../testing/running-envd.ts";

let directory: string;
let envd: RunningEnvd;
let url: string;

before(async () => {
  directory = mkdtempSync(join(tmpdir(), "wrenn-interpreter-e2e-"));
  writeFileSync(join(directory, "settings.json"), JSON.stringify({ preload: ["json"] }));
  const files = [
    "--interpreter",
    join(directory, "settings.json"),
    "--socket",
    join(directory, "kernels.sock"),
  ];
  envd = await RunningEnvd.start({
    args: [...files, "--interpreter-port", "0", "--stall-ms", "1000"],
    init: { envVars: { GREETING: "hello" } },
  });
  await until("the port is told", () => envd.log.some((line) => line.includes('"interpreter"')));
  const port = envd.log.map((line) => JSON.parse(line).interpreter).find((each) => each !== undefined);
  url = `http://127.0.0.1:${port}`;
  assert.equal((await envd.fetch("/settled")).status, 204);
});
after(async () => {
  await envd?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

const execute = (code: string, language = "python", signal?: AbortSignal) =>
  fetch(`${url}/execute`, {
    method: "POST",
    headers: { "x-access-token": TOKEN, "content-type": "application/json" },
    body: JSON.stringify({ code, language }),
    ...(signal && { signal }),
  });
const linesOf = async (response: Response) =>
  (await response.text())
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test("runs code with the guest's environment and answers in lines", async () => {
  const response = await execute(
    "import os; print(os.environ['GREETING'], os.environ.get('LD_LIBRARY_PATH')); 1 + 1",
  );
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /ndjson/);
  const lines = await linesOf(response);
  assert.deepEqual(
    lines.map(({ type, text }) => [type, text]),
    [
      ["number_of_executions", undefined],
      ["stdout", "hello None\n"],
      ["result", "2"],
      ["end_of_execution", undefined],
    ],
  );
  assert.equal((await fetch(`${url}/health`)).status, 200);
});

test("reads the guest's random numbers anew after /init", async () => {
  await (await execute("import random; random.seed(7)")).text();
  await envd.init({ entropy: Buffer.alloc(32).toString("base64") }, TOKEN);
  const [, result] = await linesOf(await execute("random.random()"));
  assert.notEqual(result?.["text"], "0.32383276483316237", "what a seed of 7 gives");
});

test("is interrupted when its caller hangs up, with what it had started", async () => {
  const gone = new AbortController();
  const response = await execute(
    "x = 3; import subprocess; subprocess.run(['sleep', '4321'])",
    "python",
    gone.signal,
  );
  await response.body?.getReader().read();
  const sleeping = () => listProcesses().some(({ pid, state }) => state !== "Z" && isSleep(pid));
  await until("it sleeps", sleeping);
  gone.abort();
  await until("it does not", () => !sleeping());
  const [, result] = await linesOf(await execute("x"));
  assert.equal(result?.["text"], "3");
});

test("is interrupted when nobody takes what it prints", async () => {
  const response = await execute("while True: print('x' * 1000)");
  const reader = response.body?.getReader();
  await reader?.read();
  const other = await linesOf(await execute("'next'"));
  assert.equal(other[1]?.["text"], "next");
  await reader?.cancel().catch(() => undefined);
});

test("ends with the agent, whatever its code has started", async () => {
  await (await execute("sleep 987654 & disown", "bash")).text();
  const sleeper = () => listProcesses().find(({ pid }) => commandOf(pid).startsWith("sleep\x00987654"))?.pid;
  await until("it sleeps", () => sleeper() !== undefined);
  await envd[Symbol.asyncDispose]();
  await until("it has ended", () => sleeper() === undefined);
});

const isSleep = (pid: number) => commandOf(pid).includes("sleep\x004321");

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
