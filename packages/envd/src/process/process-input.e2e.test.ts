// Input of processes, against a running agent.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Signal, type StreamInputRequestSchema } from "@wrenn/rpc/envd";
import { run, until } from "../testing/run-command.ts";
import { RunningEnvd } from "../testing/running-envd.ts";
import { begin, byPid, failsWith } from "../testing/started.ts";

let envd: RunningEnvd;
before(async () => {
  envd = await RunningEnvd.start();
});
after(() => envd[Symbol.asyncDispose]());

test("every byte arrives as it was, characters split between reads too", async () => {
  const data = randomBytes(1024 * 1024);
  const hash = createHash("sha256");
  const { pid, events } = await begin(envd.process, { process: { cmd: "cat", args: [] } });
  const feed = (async () => {
    for (let at = 0; at < data.length; at += 100_003) {
      const value = data.subarray(at, at + 100_003);
      await envd.process.sendInput({ process: byPid(pid), input: { input: { case: "stdin", value } } });
    }
    await envd.process.closeStdin({ process: byPid(pid) });
  })();
  let length = 0;
  for (let next = await events.next(); !next.done; next = await events.next()) {
    const event = next.value.event?.event;
    if (event?.case !== "data") continue;
    assert.ok((event.value.output.value?.length ?? 0) <= 32 * 1024);
    hash.update(event.value.output.value ?? "");
    length += event.value.output.value?.length ?? 0;
  }
  await feed;
  assert.equal(length, data.length);
  assert.equal(hash.digest("hex"), createHash("sha256").update(data).digest("hex"));
});

test("StreamInput feeds a process; without stdin it reads end-of-file", async () => {
  const { pid, events } = await begin(envd.process, { process: { cmd: "wc", args: ["-c"] } });
  const data = { input: { input: { case: "stdin", value: new Uint8Array(1000) } } } as const;
  const messages: MessageInitShape<typeof StreamInputRequestSchema>[] = [
    { event: { case: "start", value: { process: byPid(pid) } } },
  ];
  for (let i = 0; i < 5; i++) {
    messages.push({ event: { case: "data", value: data } }, { event: { case: "keepalive", value: {} } });
  }
  await envd.process.streamInput(Readable.from(messages));
  await envd.process.closeStdin({ process: byPid(pid) });
  const next = await events.next();
  const event = next.value?.event?.event;
  assert.ok(event?.case === "data");
  assert.equal(
    Buffer.from(event.value.output.value ?? "")
      .toString()
      .trim(),
    "5000",
  );
  assert.equal((await run(envd.process, ["cat"], { stdin: false })).end.exitCode, 0);
});

test("input that has nowhere to go is refused, and an abort ends the wait", async () => {
  const send = (pid: number, value: Uint8Array, options = {}) =>
    envd.process.sendInput({ process: byPid(pid), input: { input: { case: "stdin", value } } }, options);
  const { pid } = await begin(envd.process, { process: { cmd: "sleep", args: ["1000"] } });
  await send(pid, new Uint8Array(10));
  await assert.rejects(
    send(pid, new Uint8Array(1_000_000), { timeoutMs: 200 }),
    (e) => e instanceof ConnectError && e.code === Code.DeadlineExceeded,
  );
  const flood = Promise.allSettled([1, 2, 3].map(() => send(pid, new Uint8Array(3_500_000))));
  await assert.rejects(
    envd.process.sendInput({
      process: byPid(pid),
      input: { input: { case: "pty", value: new Uint8Array(1) } },
    }),
    failsWith(Code.InvalidArgument, "invalid_argument", "input.pty"),
  );
  await until(
    "the queue is full",
    async () =>
      (await send(pid, new Uint8Array(3_500_000), { timeoutMs: 100 }).catch((e) => e.code)) ===
      Code.ResourceExhausted,
  );
  await envd.process.sendSignal({ process: byPid(pid), signal: Signal.SIGKILL });
  for (const { status } of await flood) assert.equal(status, "rejected");
  const deaf = await begin(envd.process, {
    process: { cmd: "sh", args: ["-c", "exec <&-; echo closed; exec sleep 1000"] },
  });
  await deaf.events.next();
  await assert.rejects(
    send(deaf.pid, new Uint8Array(10)),
    failsWith(Code.FailedPrecondition, "invalid_state"),
  );
  await envd.process.closeStdin({ process: byPid(deaf.pid) });
  await assert.rejects(
    send(deaf.pid, new Uint8Array(10)),
    failsWith(Code.FailedPrecondition, "invalid_state"),
  );
  await envd.process.sendSignal({ process: byPid(deaf.pid), signal: Signal.SIGKILL });
});
