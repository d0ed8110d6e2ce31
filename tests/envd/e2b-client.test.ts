// The unmodified npm package `e2b` against the guest agent alone, without a virtual machine.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import {
  CommandExitError,
  type CommandHandle,
  FileNotFoundError,
  FilesystemEventType,
  FileType,
  InvalidArgumentError,
  NotEnoughSpaceError,
  Sandbox,
  TimeoutError,
} from "e2b";
import { ENVD_VERSION } from "../../packages/envd/src/index.ts";
import { until } from "../../packages/envd/src/testing/run-command.ts";
import { RunningEnvd, TOKEN } from "../../packages/envd/src/testing/running-envd.ts";

let envd: RunningEnvd;
let sandbox: Sandbox;
let root: string;
let dir: string;
let count = 0;
before(async () => {
  envd = await RunningEnvd.start({ init: { defaultUser: "root", envVars: { FROM_INIT: "yes" } } });
  root = mkdtempSync(join(tmpdir(), "envd-e2b-"));
  // What `Sandbox.create` makes of the answer of a control plane.
  sandbox = new Sandbox({
    sandboxId: "agent-alone",
    envdVersion: ENVD_VERSION,
    envdAccessToken: TOKEN,
    sandboxUrl: envd.url,
    debug: true,
  });
});
beforeEach(() => {
  dir = join(root, String(count++));
  mkdirSync(dir);
});
after(async () => {
  await envd[Symbol.asyncDispose]();
  rmSync(root, { recursive: true });
});

const pids = async () => (await sandbox.commands.list()).map(({ pid }) => pid);
const gone = (pid: number) => until(`${pid} has ended`, async () => !(await pids()).includes(pid));

test("the agent says which version it is, and that it is well", async () => {
  assert.equal(await sandbox.isRunning(), true);
});

describe("commands", () => {
  test("run to their end, with environment, directory and user", async () => {
    const script = 'echo "$FROM_INIT $OWN $PWD"; echo problem >&2';
    const { stdout, stderr, exitCode } = await sandbox.commands.run(script, {
      envs: { OWN: "ö" },
      cwd: dir,
    });
    assert.deepEqual([stdout, stderr, exitCode], [`yes ö ${dir}\n`, "problem\n", 0]);
    assert.equal((await sandbox.commands.run("id -un", { user: "nobody", cwd: "/" })).stdout, "nobody\n");
  });

  test("their output comes as it is printed, all of it", async () => {
    const pieces: string[] = [];
    const { stdout } = await sandbox.commands.run("seq 200000", {
      onStdout: (piece) => void pieces.push(piece),
    });
    assert.equal(pieces.join(""), stdout);
    assert.equal(stdout.split("\n").length, 200_001);
    assert.ok(pieces.length > 1);
  });

  test("a failure has its exit code and output", async () => {
    const failed = sandbox.commands.run("echo out; echo err >&2; exit 3");
    await assert.rejects(failed, (error) => {
      assert.ok(error instanceof CommandExitError);
      assert.deepEqual([error.exitCode, error.stdout, error.stderr], [3, "out\n", "err\n"]);
      return true;
    });
  });

  test("mistakes of the caller are told apart", async () => {
    await assert.rejects(sandbox.commands.run("true", { cwd: `${dir}/absent` }), InvalidArgumentError);
    await assert.rejects(sandbox.commands.run("true", { user: "no-such-user" }), /no-such-user/);
  });

  test("in the background: listed, written to, signalled", async () => {
    const handle = await sandbox.commands.run("cat", { background: true, stdin: true });
    const listed = (await sandbox.commands.list()).find(({ pid }) => pid === handle.pid);
    assert.deepEqual([listed?.cmd, listed?.args], ["/bin/bash", ["-l", "-c", "cat"]]);
    await sandbox.commands.sendStdin(handle.pid, "ping\n");
    await until("it has answered", () => handle.stdout === "ping\n");
    await sandbox.commands.closeStdin(handle.pid);
    assert.equal((await handle.wait()).stdout, "ping\n");

    const sleeper = await sandbox.commands.run("sleep 1000", { background: true });
    assert.equal(await sandbox.commands.kill(sleeper.pid), true);
    await assert.rejects(sleeper.wait(), CommandExitError);
    assert.equal(await sandbox.commands.kill(sleeper.pid), false);
  });

  test("outlive their caller, and another one can attach, also after the end", async () => {
    const script = `while [ ! -e ${dir}/go ]; do sleep 0.02; done; echo late`;
    const first = await sandbox.commands.run(script, { background: true });
    await first.disconnect();
    assert.ok((await pids()).includes(first.pid));
    const second = await sandbox.commands.connect(first.pid);
    await sandbox.files.write(`${dir}/go`, "");
    assert.equal((await second.wait()).stdout, "late\n");
    const third = await sandbox.commands.connect(first.pid);
    assert.equal((await third.wait()).exitCode, 0);
  });

  test("are killed when their time is up", async () => {
    const { pid, wait } = await started("sleep 1000", { timeoutMs: 1000 });
    await assert.rejects(wait(), TimeoutError);
    await gone(pid);
  });

  test("go on when the sandbox is frozen; their caller is told and can come back", async () => {
    const script = `while [ ! -e ${dir}/go ]; do sleep 0.02; done; echo "here again"`;
    const { pid, wait } = await started(script);
    const told = assert.rejects(wait(), /pausing/);
    const body = JSON.stringify({ syncMs: 0 });
    assert.equal((await envd.fetch("/quiesce", { method: "POST", body })).status, 204);
    await told;
    const reply = await envd.init({ dropConnections: true, timestamp: new Date().toISOString() }, TOKEN);
    assert.equal(reply.status, 200);
    const again = await sandbox.commands.connect(pid);
    await sandbox.files.write(`${dir}/go`, "");
    assert.equal((await again.wait()).stdout, "here again\n");
  });

  async function started(script: string, options: object = {}) {
    const handle: CommandHandle = await sandbox.commands.run(script, { background: true, ...options });
    return { pid: handle.pid, wait: () => handle.wait() };
  }
});

describe("terminals", () => {
  test("take input, change their size, and end", async () => {
    let shown = "";
    const decoder = new TextDecoder();
    const onData = (bytes: Uint8Array) => {
      shown += decoder.decode(bytes, { stream: true });
    };
    const terminal = await sandbox.pty.create({ cols: 80, rows: 24, onData, cwd: dir });
    const type = (text: string) => sandbox.pty.sendInput(terminal.pid, new TextEncoder().encode(text));
    await type("echo $TERM $((40 + 2)); stty size\n");
    await until("it has answered", () => /xterm-256color 42\r\n.*24 80/s.test(shown));
    await sandbox.pty.resize(terminal.pid, { cols: 100, rows: 30 });
    await type("stty size; exit 5\n");
    await assert.rejects(
      terminal.wait(),
      (error) => error instanceof CommandExitError && error.exitCode === 5,
    );
    assert.match(shown, /30 100/);
    const other = await sandbox.pty.create({ cols: 80, rows: 24, onData: () => undefined });
    assert.equal(await sandbox.pty.kill(other.pid), true);
    await gone(other.pid);
  });
});

describe("files", () => {
  test("are written and read in every form, packed or not", async () => {
    const path = `${dir}/a/b.txt`;
    for (const options of [{}, { useOctetStream: true }, { gzip: true }]) {
      const info = await sandbox.files.write(path, "Grüße\n", options);
      assert.deepEqual([info.path, info.name, info.type], [path, "b.txt", FileType.FILE]);
      assert.equal(readFileSync(path, "utf8"), "Grüße\n");
    }
    for (const options of [{}, { gzip: true }]) {
      assert.equal(await sandbox.files.read(path, options), "Grüße\n");
    }
    assert.equal(Buffer.from(await sandbox.files.read(path, { format: "bytes" })).toString(), "Grüße\n");
    assert.equal(await (await sandbox.files.read(path, { format: "blob" })).text(), "Grüße\n");
    assert.equal(await new Response(await sandbox.files.read(path, { format: "stream" })).text(), "Grüße\n");
    await sandbox.files.write(`${dir}/empty`, "");
    assert.equal(await sandbox.files.read(`${dir}/empty`), "");
  });

  test("large ones pass whole", async () => {
    const size = 32 * 1024 * 1024;
    const content = new Uint8Array(size).map((_, i) => (i * 2654435761) >>> 24);
    await sandbox.files.write(`${dir}/large`, content.buffer);
    const back = await sandbox.files.read(`${dir}/large`, { format: "bytes" });
    assert.equal(Buffer.compare(Buffer.from(back), Buffer.from(content)), 0);
  });

  test("several at once, each under its own name", async () => {
    const names = ["one.txt", "sub/two.txt", "ünï côdé.txt"];
    const written = await sandbox.files.write(names.map((name) => ({ path: `${dir}/${name}`, data: name })));
    assert.deepEqual(
      written.map(({ path }) => path),
      names.map((name) => `${dir}/${name}`),
    );
    for (const name of names) assert.equal(readFileSync(`${dir}/${name}`, "utf8"), name);
  });

  test("are listed, described, made, moved and removed", async () => {
    assert.equal(await sandbox.files.makeDir(`${dir}/x/y`), true);
    assert.equal(await sandbox.files.makeDir(`${dir}/x/y`), false);
    await sandbox.files.write(`${dir}/x/f`, "12345");
    const names = async (depth: number) =>
      (await sandbox.files.list(dir, { depth })).map(({ path }) => path.slice(dir.length)).sort();
    assert.deepEqual(await names(1), ["/x"]);
    assert.deepEqual(await names(2), ["/x", "/x/f", "/x/y"]);
    const info = await sandbox.files.getInfo(`${dir}/x/f`);
    assert.deepEqual(
      [info.type, info.size, info.permissions, info.owner],
      [FileType.FILE, 5, "-rw-r--r--", "root"],
    );
    assert.ok(info.modifiedTime && Math.abs(info.modifiedTime.getTime() - Date.now()) < 60_000);
    assert.equal((await sandbox.files.rename(`${dir}/x/f`, `${dir}/z`)).path, `${dir}/z`);
    assert.equal(await sandbox.files.exists(`${dir}/x/f`), false);
    await sandbox.files.remove(`${dir}/x`);
    assert.deepEqual(await names(3), ["/z"]);
    await assert.rejects(sandbox.files.read(`${dir}/x/f`), FileNotFoundError);
    await assert.rejects(sandbox.files.list(`${dir}/x`), FileNotFoundError);
  });

  test("carry metadata", async () => {
    const metadata = { author: "me", "build.id": "42" };
    const written = await sandbox.files.write(`${dir}/f`, "1", { metadata });
    assert.deepEqual(written.metadata, metadata);
    assert.deepEqual((await sandbox.files.getInfo(`${dir}/f`)).metadata, metadata);
  });

  test("that find no room are refused, and say so", async () => {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", dir]);
    try {
      const large = new Uint8Array(4 * 1024 * 1024).buffer;
      await assert.rejects(sandbox.files.write(`${dir}/f`, large), NotEnoughSpaceError);
      assert.equal(await sandbox.files.exists(`${dir}/f`), false);
    } finally {
      execFileSync("umount", [dir]);
    }
  });

  test("are reached by signed URLs", async () => {
    const upload = await sandbox.uploadUrl(`${dir}/f`, { useSignatureExpiration: 60 });
    const form = new FormData();
    form.append("file", new Blob(["by URL"]), "f");
    assert.equal((await fetch(upload, { method: "POST", body: form })).status, 200);
    const download = await sandbox.downloadUrl(`${dir}/f`, { user: "root" });
    assert.equal(await (await fetch(download)).text(), "by URL");
    assert.equal((await fetch(download.replace("signature=v1_", "signature=v1_x"))).status, 401);
  });

  test("are watched, in the whole tree, with what they are", async () => {
    const events: string[] = [];
    const watch = await sandbox.files.watchDir(
      dir,
      ({ type, name, entry }) => {
        events.push(`${type} ${name} ${entry?.type ?? "-"}`);
      },
      { recursive: true, includeEntry: true },
    );
    await sandbox.files.makeDir(`${dir}/sub`);
    await sandbox.files.write(`${dir}/sub/f`, "1");
    await sandbox.files.rename(`${dir}/sub/f`, `${dir}/sub/g`);
    await sandbox.files.remove(`${dir}/sub/g`);
    await until("all of it is told", () => events.includes(`${FilesystemEventType.REMOVE} sub/g -`));
    assert.deepEqual(events.slice(0, 1), [`${FilesystemEventType.CREATE} sub dir`]);
    for (const expected of [`${FilesystemEventType.WRITE} sub/f`, `${FilesystemEventType.RENAME} sub/f`]) {
      assert.ok(
        events.some((event) => event.startsWith(expected)),
        `${expected} in ${events}`,
      );
    }
    await watch.stop();
  });
});
