// Processes on a terminal.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { Signal } from "@wrenn/rpc/envd";
import { run } from "../testing/run-command.ts";
import { RunningEnvd } from "../testing/running-envd.ts";
import { byPid } from "../testing/started.ts";

let envd: RunningEnvd;
before(async () => {
  envd = await RunningEnvd.start();
});
after(() => envd[Symbol.asyncDispose]());

const pty = { size: { cols: 91, rows: 33 } };

/** A process on a terminal that can be typed at and waited for. */
async function open(command: string[], user = "root") {
  const [cmd = "", ...args] = command;
  const client = envd.processAs(user);
  const events = client
    .start({ process: { cmd, args, envs: { TERM: "xterm", PS1: "$ " } }, pty })
    [Symbol.asyncIterator]();
  const first = (await events.next()).value?.event?.event;
  assert.ok(first?.case === "start");
  const process = byPid(first.value.pid);
  let text = "";
  return {
    process,
    type: (keys: string) =>
      client.sendInput({ process, input: { input: { case: "pty", value: Buffer.from(keys) } } }),
    async see(pattern: RegExp): Promise<string> {
      for (let match = pattern.exec(text); ; match = pattern.exec(text)) {
        if (match) {
          const seen = text;
          text = text.slice(match.index + match[0].length);
          return seen;
        }
        const event = (await events.next()).value?.event?.event;
        assert.ok(
          event?.case === "data",
          `${event?.case} while waiting for ${pattern} in ${JSON.stringify(text)}`,
        );
        assert.equal(event.value.output.case, "pty");
        text += Buffer.from(event.value.output.value ?? "").toString();
      }
    },
    async end() {
      for (let next = await events.next(); !next.done; next = await events.next()) {
        const event = next.value.event?.event;
        if (event?.case === "end") return event.value;
      }
      throw new Error("no end event");
    },
  };
}

test("a shell on a terminal: size, resize, interrupt, exit", async () => {
  const shell = await open(["bash", "--norc", "-i"]);
  await shell.see(/\$ /);
  await shell.type("stty size; tty; ls -l /proc/self/fd | wc -l\n");
  await shell.see(/33 91\r\n\/dev\/pts\/\d+\r\n5\r\n/);
  await envd.process.update({ process: shell.process, pty: { size: { cols: 120, rows: 40 } } });
  await shell.type("stty size\n");
  await shell.see(/40 120\r\n/);
  await shell.type("sh -c 'printf \"%s%s\" now sleeping; exec sleep 1000'\n");
  await shell.see(/nowsleeping/);
  await shell.type("\x03");
  await shell.see(/\^C[\s\S]*\$ /);
  await shell.type("exit 9\n");
  assert.deepEqual([(await shell.end()).exitCode], [9]);
});

test("the window's new size is announced by SIGWINCH", async () => {
  const program = await open([
    "bash",
    "-c",
    "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.01; done",
  ]);
  await program.see(/ready/);
  await envd.process.update({ process: program.process, pty: { size: { cols: 50, rows: 20 } } });
  await program.see(/20 50\r\n/);
  assert.equal((await program.end()).exitCode, 0);
});

test("the terminal belongs to the user and controls the session", async () => {
  const { pty: text } = await run(
    envd.processAs("nobody"),
    ["sh", "-c", "stat -c %U $(tty); echo direct > /dev/tty; id -un"],
    { pty },
  );
  assert.equal(text, "nobody\r\ndirect\r\nnobody\r\n");
});

test("TERM is set on a terminal, unless the request does it", async () => {
  const { pty: usual } = await run(envd.process, ["sh", "-c", "echo $TERM"], { pty });
  const { pty: given } = await run(envd.process, ["sh", "-c", "echo $TERM"], { pty, envs: { TERM: "dumb" } });
  assert.deepEqual([usual, given], ["xterm-256color\r\n", "dumb\r\n"]);
});

test("CloseStdin is end-of-file on a terminal", async () => {
  const cat = await open(["cat"]);
  await cat.type("line\n");
  await cat.see(/line\r\nline\r\n/);
  await envd.process.closeStdin({ process: cat.process });
  assert.equal((await cat.end()).exitCode, 0);
});

test("nothing of the output is lost, however short the life of the terminal", async () => {
  for (let i = 0; i < 40; i++) {
    const { pty: text, end } = await run(envd.process, ["echo", `number ${i}`], { pty });
    assert.deepEqual([text, end.exitCode], [`number ${i}\r\n`, 0]);
  }
  const { pty: long } = await run(envd.process, ["seq", "100000"], { pty });
  assert.equal(long.split("\r\n").length, 100_001);
  assert.ok(long.endsWith("\r\n100000\r\n"));
});

test("a process without terminal cannot be resized, one with a terminal takes no stdin", async () => {
  const plain = envd.process.start({ process: { cmd: "sleep", args: ["1000"] } })[Symbol.asyncIterator]();
  const pid = (await plain.next()).value?.event?.event.value?.pid as number;
  const code = (expected: Code) => (e: unknown) => e instanceof ConnectError && e.code === expected;
  await assert.rejects(envd.process.update({ process: byPid(pid), pty }), code(Code.FailedPrecondition));
  const shell = await open(["cat"]);
  await assert.rejects(
    envd.process.update({ process: shell.process, pty: { size: { cols: 0, rows: 1 } } }),
    code(Code.InvalidArgument),
  );
  const stdin = { input: { case: "stdin", value: new Uint8Array(1) } } as const;
  await assert.rejects(
    envd.process.sendInput({ process: shell.process, input: stdin }),
    code(Code.InvalidArgument),
  );
  await envd.process.sendSignal({ process: byPid(pid), signal: Signal.SIGKILL });
  await envd.process.sendSignal({ process: shell.process, signal: Signal.SIGHUP });
  assert.equal((await shell.end()).signal, "SIGHUP");
});
