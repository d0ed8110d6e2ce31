// process.Process against a running agent: starting, ending, input, signals, attaching.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { Signal } from "@wrenn/rpc/envd";
import { run } from "../testing/run-command.ts";
import { RunningEnvd, TOKEN } from "../testing/running-envd.ts";
import { begin, byPid, failsWith } from "../testing/started.ts";

let envd: RunningEnvd;
before(async () => {
  envd = await RunningEnvd.start();
});
after(() => envd[Symbol.asyncDispose]());

test("exit codes are the command's own; start comes first, end last", async () => {
  for (const code of [0, 1, 3, 127, 255]) {
    const { end, kinds } = await run(envd.process, ["sh", "-c", `echo x; exit ${code}`]);
    assert.deepEqual(
      [end.exitCode, end.exited, end.status, end.signal],
      [code, true, `exit status ${code}`, undefined],
    );
    assert.deepEqual(kinds, ["start", "data", "end"]);
  }
});

test("death by a signal is no exit code", async () => {
  for (const [signal, status] of [
    ["KILL", "killed"],
    ["TERM", "terminated"],
    ["SEGV", "segmentation fault"],
  ] as const) {
    const { end } = await run(envd.process, ["sh", "-c", `kill -${signal} $$`]);
    assert.deepEqual(
      [end.exitCode, end.exited, end.status, end.signal],
      [-1, false, `signal: ${status}`, `SIG${signal}`],
    );
  }
});

test("stdout and stderr stay apart and belong to the user, who can reopen them", async () => {
  const script = "echo out; echo err >&2; echo again > /dev/stdout; id -un";
  const { stdout, stderr } = await run(envd.processAs("nobody"), ["sh", "-c", script]);
  assert.deepEqual([stdout, stderr], ["out\nagain\nnobody\n", "err\n"]);
});

test("a child has three descriptors, its own session, and dies before the agent in want of memory", async () => {
  const script =
    "ls /proc/self/fd | tr '\\n' ' '; cut -d' ' -f5,6 /proc/$$/stat; echo $$; cat /proc/$$/oom_score_adj";
  const { stdout, pid } = await run(envd.process, ["sh", "-c", script]);
  const [first, own, score] = stdout.split("\n");
  assert.equal(first, `0 1 2 3 ${pid} ${pid}`, "3 is the listing's own");
  assert.deepEqual([own, score], [String(pid), "100"]);
});

test("what cannot be run is command_not_found, before any event", async () => {
  const dir = mkdtempSync(join(tmpdir(), "envd-"));
  try {
    writeFileSync(`${dir}/plain`, "text", { mode: 0o644 });
    writeFileSync(`${dir}/script`, "#!/no/such/interpreter\n", { mode: 0o755 });
    writeFileSync(`${dir}/private`, "#!/bin/sh\n", { mode: 0o700 });
    const missing = failsWith(Code.NotFound, "command_not_found", "cmd");
    for (const cmd of [
      "no-such-command",
      "/no/such/command",
      "./nothing",
      `${dir}/plain`,
      `${dir}/script`,
      dir,
      "/etc/passwd/x",
    ]) {
      await assert.rejects(run(envd.process, [cmd]), missing, cmd);
    }
    await assert.rejects(run(envd.process, ["true"], { envs: { PATH: dir } }), missing);
    await assert.rejects(run(envd.processAs("nobody"), [`${dir}/private`]), missing);
    assert.equal(
      await run(envd.process, ["script"], { envs: { PATH: `${dir}:/bin` } }).catch((e) => e.code),
      Code.NotFound,
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("wrong requests are refused with the field's name", async () => {
  const invalid = (field: string) => failsWith(Code.InvalidArgument, "invalid_argument", field);
  await assert.rejects(run(envd.process, [""]), invalid("cmd"));
  await assert.rejects(run(envd.process, ["a\0b"]), invalid("cmd"));
  await assert.rejects(run(envd.process, ["echo", "a\0b"]), invalid("args"));
  await assert.rejects(run(envd.process, ["echo", ...Array(1025).fill("x")]), invalid("args"));
  await assert.rejects(run(envd.process, ["true"], { envs: { "A=B": "" } }), invalid("envs"));
  await assert.rejects(run(envd.process, ["true"], { cwd: "/no/such/dir" }), invalid("cwd"));
  await assert.rejects(run(envd.process, ["true"], { cwd: "/etc/passwd" }), invalid("cwd"));
  await assert.rejects(run(envd.processAs("nobody"), ["true"], { cwd: "/root" }), invalid("cwd"));
  await assert.rejects(
    run(envd.process, ["true"], { pty: { size: { cols: 0, rows: 5 } } }),
    invalid("pty.size"),
  );
  await assert.rejects(
    envd.process.sendSignal({ process: byPid(1), signal: 64 as Signal }),
    invalid("signal"),
  );
  await assert.rejects(
    run(envd.process, ["echo", "x".repeat(200_000)]),
    failsWith(Code.ResourceExhausted, "too_large"),
  );
  await assert.rejects(
    run(envd.processAs("no-such-user"), ["true"]),
    failsWith(Code.Unauthenticated, "unauthorized", "user"),
  );
});

test("argv is passed as it is", async () => {
  const args = ["a b", "", "$HOME", "*", "ü\n", "--"];
  const { stdout } = await run(envd.process, ["sh", "-c", 'printf "%s|" "$0" "$@"', ...args]);
  assert.equal(stdout, `${args.join("|")}|`);
  assert.equal(
    (await run(envd.process, ["sh", "-c", "tr '\\0' ' ' < /proc/$$/cmdline"])).stdout.split(" ")[0],
    "sh",
  );
});

test("the JSON codec carries the same events", async () => {
  const { stdout, end } = await run(envd.processAs("root", false), ["sh", "-c", "printf 'grün'; exit 4"]);
  assert.deepEqual([stdout, end.exitCode, end.status], ["grün", 4, "exit status 4"]);
});

test("List shows what runs, with tags; Connect attaches to it and learns its end, also afterwards", async () => {
  const process = {
    cmd: "sh",
    args: ["-c", "read line; echo got $line; exit 5"],
    envs: { A: "b" },
    cwd: "/tmp",
  };
  const { pid, events } = await begin(envd.process, { process, tag: "tagged" });
  const listed = (await envd.process.list({})).processes.find((p) => p.pid === pid);
  assert.deepEqual(
    [listed?.tag, listed?.config?.cmd, listed?.config?.cwd, listed?.config?.envs],
    ["tagged", "sh", "/tmp", { A: "b" }],
  );
  const attached = envd.process
    .connect({ process: { selector: { case: "tag", value: "tagged" } } })
    [Symbol.asyncIterator]();
  assert.deepEqual((await attached.next()).value?.event?.event.value?.pid, pid);
  await envd.process.sendInput({
    process: byPid(pid),
    input: { input: { case: "stdin", value: Buffer.from("x\n") } },
  });
  for (const reader of [events, attached]) {
    const kinds: unknown[] = [];
    for (let next = await reader.next(); !next.done; next = await reader.next()) {
      const event = next.value.event?.event;
      kinds.push(
        event?.case === "data" ? Buffer.from(event.value.output.value ?? "").toString() : event?.case,
      );
    }
    assert.deepEqual(kinds, ["got x\n", "end"]);
  }
  const late: unknown[] = [];
  for await (const { event } of envd.process.connect({ process: byPid(pid) })) {
    late.push(event?.event.case === "end" ? event.event.value.exitCode : event?.event.case);
  }
  assert.deepEqual(late, ["start", 5]);
  assert.ok(!(await envd.process.list({})).processes.some((p) => p.pid === pid));
  const gone = failsWith(Code.NotFound, "not_found");
  await assert.rejects(envd.process.sendSignal({ process: byPid(pid), signal: Signal.SIGTERM }), gone);
  await assert.rejects(envd.process.closeStdin({ process: byPid(999_999) }), gone);
  await assert.rejects(async () => {
    for await (const _ of envd.process.connect({ process: byPid(1) }));
  }, gone);
});

test("signals reach the process", async () => {
  const { pid, events } = await begin(envd.process, {
    process: { cmd: "sh", args: ["-c", "trap 'echo usr1' USR1; echo ready; while :; do sleep 0.01; done"] },
  });
  const text = async () =>
    Buffer.from((await events.next()).value?.event?.event.value?.output.value).toString();
  assert.equal(await text(), "ready\n");
  await envd.process.sendSignal({ process: byPid(pid), signal: Signal.SIGUSR1 });
  assert.equal(await text(), "usr1\n");
  await envd.process.sendSignal({ process: byPid(pid), signal: Signal.SIGTERM, tree: true });
  const end = (await events.next()).value?.event?.event;
  assert.equal(end?.value.signal, "SIGTERM");
});

test("a quiet stream shows signs of life at the interval that the client asks for", async () => {
  const { pid, events } = await begin(
    envd.process,
    { process: { cmd: "sleep", args: ["1000"] } },
    { headers: { "keepalive-ping-interval": "1" } },
  );
  for (let i = 0; i < 2; i++) {
    const before = performance.now();
    assert.equal((await events.next()).value?.event?.event.case, "keepalive");
    const waited = performance.now() - before;
    assert.ok(waited > 500 && waited < 5000, `${waited} ms`);
  }
  await envd.process.sendSignal({ process: byPid(pid), signal: Signal.SIGKILL });
});

test("a broken frame is an error of the client's, not ours", async () => {
  const headers = { "content-type": "application/connect+json", "x-access-token": TOKEN };
  const frame = (body: string) => Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), Buffer.from(body)]);
  for (const body of [
    frame("{"),
    frame('{"process":{"cmd":5}}'),
    Buffer.from([0, 255, 255, 255, 255]),
    Buffer.alloc(0),
  ]) {
    const reply = await fetch(`${envd.url}/process.Process/Start`, { method: "POST", headers, body });
    const text = await reply.text();
    assert.match(text, /"code":"(invalid_argument|resource_exhausted|unimplemented)"/);
  }
  assert.equal((await fetch(`${envd.url}/process.Process/Nothing`, { method: "POST", headers })).status, 404);
});
