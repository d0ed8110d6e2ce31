// E2B's unmodified client on real sandboxes: what is done in one sandbox that runs.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { CommandExitError, FileNotFoundError, Sandbox, SandboxNotFoundError, TimeoutError } from "e2b";
import type { E2bPlatform } from "./platform.ts";

const MIB = 1024 * 1024;

export function sandboxTests(platform: () => E2bPlatform): void {
  describe("E2B's client in a sandbox", () => {
    let e2b: E2bPlatform;
    let sandbox: Sandbox;
    before(async () => {
      e2b = platform();
      sandbox = await e2b.sandbox({ envs: { GREETING: "hello" }, metadata: { run: "sdk" } });
    });

    it("runs commands: output, exit codes, environment, directory, user, time-outs", async () => {
      const { stdout, exitCode } = await sandbox.commands.run("echo $GREETING $MORE $(pwd) $(whoami)", {
        envs: { MORE: "more" },
        cwd: "/tmp",
      });
      assert.deepEqual([stdout, exitCode], ["hello more /tmp user\n", 0]);
      await assert.rejects(sandbox.commands.run("echo oops >&2; exit 3"), (error: CommandExitError) => {
        assert.ok(error instanceof CommandExitError);
        assert.deepEqual([error.exitCode, error.stderr], [3, "oops\n"]);
        return true;
      });
      assert.equal((await sandbox.commands.run("whoami", { user: "root" })).stdout, "root\n");
      await assert.rejects(sandbox.commands.run("sleep 60", { timeoutMs: 1_000 }), TimeoutError);
    });

    it("streams output as it comes, also of 16 MiB", async () => {
      const hash = createHash("sha256");
      let size = 0;
      await sandbox.commands.run("head -c 12582912 /dev/zero | base64 -w 0", {
        timeoutMs: 120_000,
        onStdout: (chunk) => {
          hash.update(chunk);
          size += chunk.length;
        },
      });
      assert.equal(size, 16 * MIB);
      assert.equal(
        hash.digest("hex"),
        createHash("sha256")
          .update("A".repeat(16 * MIB))
          .digest("hex"),
      );
    });

    it("runs commands in the background: listed, written to, joined again, killed", async () => {
      const command = await sandbox.commands.run("cat; sleep 600", { background: true, stdin: true });
      const seen = Promise.withResolvers<string>();
      const again = await sandbox.commands.connect(command.pid, { onStdout: seen.resolve });
      await sandbox.commands.sendStdin(command.pid, "through\n");
      assert.equal(await seen.promise, "through\n");
      const listed = await sandbox.commands.list();
      assert.ok(listed.some(({ pid }) => pid === command.pid));
      await again.disconnect();
      assert.equal(await command.kill(), true);
      await assert.rejects(command.wait(), CommandExitError);
      assert.equal(await sandbox.commands.kill(command.pid), false);
    });

    it("opens a terminal of the size that is asked for", async () => {
      let output = "";
      const terminal = await sandbox.pty.create({
        cols: 80,
        rows: 24,
        onData: (data) => {
          output += new TextDecoder().decode(data);
        },
      });
      await sandbox.pty.resize(terminal.pid, { cols: 133, rows: 44 });
      await sandbox.pty.sendInput(terminal.pid, new TextEncoder().encode("stty size; exit\n"));
      await terminal.wait();
      assert.match(output, /44 133/);
    });

    it("writes, reads, lists, moves and removes files", async () => {
      await sandbox.files.write("/home/user/dir/hello.txt", "héllo");
      assert.equal(await sandbox.files.read("dir/hello.txt"), "héllo");
      await sandbox.files.write([
        { path: "dir/a", data: "1" },
        { path: "dir/b", data: "2" },
      ]);
      const names = (await sandbox.files.list("dir")).map(({ name }) => name);
      assert.deepEqual(names.toSorted(), ["a", "b", "hello.txt"]);
      await sandbox.files.rename("dir/a", "dir/c");
      assert.equal(await sandbox.files.exists("dir/a"), false);
      assert.equal((await sandbox.files.getInfo("dir/c")).size, 1);
      await sandbox.files.remove("dir");
      await assert.rejects(sandbox.files.read("dir/c"), FileNotFoundError);
      assert.equal(await sandbox.files.makeDir("dir"), true);
      assert.equal(await sandbox.files.makeDir("dir"), false);
    });

    it("moves 64 MiB both ways unchanged", async () => {
      const data = new Uint8Array(64 * MIB);
      for (let at = 0; at < data.length; at += 4096) data[at] = at >> 12;
      await sandbox.files.write("/home/user/large", data.buffer, { requestTimeoutMs: 180_000 });
      const { stdout } = await sandbox.commands.run("sha256sum < large", { timeoutMs: 120_000 });
      assert.equal(stdout.split(" ")[0], createHash("sha256").update(data).digest("hex"));
      const back = await sandbox.files.read("large", { format: "bytes", requestTimeoutMs: 180_000 });
      assert.ok(Buffer.from(data.buffer).equals(back));
    });

    it("signs addresses of files", async () => {
      await sandbox.files.write("signed.txt", "by hand");
      const url = new URL(await sandbox.downloadUrl("signed.txt", { useSignatureExpiration: 60 }));
      const response = await e2b.fetchFrom(sandbox, 49_983, `${url.pathname}${url.search}`);
      assert.equal(await response.text(), "by hand");
      url.searchParams.set("path", "/etc/shadow");
      const other = await e2b.fetchFrom(sandbox, 49_983, `${url.pathname}${url.search}`);
      assert.equal(other.status, 401);
    });

    it("watches a directory", async () => {
      await sandbox.files.makeDir("watched");
      const seen = Promise.withResolvers<string>();
      const watch = await sandbox.files.watchDir("watched", (event) => seen.resolve(event.name));
      await sandbox.files.write("watched/new", "x");
      assert.equal(await seen.promise, "new");
      await watch.stop();
    });

    it("reaches ports, also those that listen on the guest's loopback only", async () => {
      const server = await sandbox.commands.run(
        "python3 -m http.server 8123 --bind 127.0.0.1 --directory /etc",
        {
          background: true,
        },
      );
      const deadline = Date.now() + 60_000;
      let response = await e2b.fetchFrom(sandbox, 8123, "/hostname");
      while (response.status === 502 && Date.now() < deadline) {
        await delay(100);
        response = await e2b.fetchFrom(sandbox, 8123, "/hostname");
      }
      assert.equal(response.status, 200);
      assert.ok((await response.text()).length > 0);
      await server.kill();
      const closed = await e2b.fetchFrom(sandbox, 8124);
      assert.equal(closed.status, 502);
      assert.equal(((await closed.json()) as { port: number }).port, 8124);
    });

    it("keeps the agent's own routes from clients", async () => {
      for (const path of ["/init", "/quiesce"]) {
        const response = await e2b.fetchFrom(sandbox, 49_983, path, { method: "POST", body: "{}" });
        assert.equal(response.status, 404, path);
      }
      const unauthorised = await e2b.fetchFrom(sandbox, 49_983, "/envs");
      assert.equal(unauthorised.status, 401);
      assert.equal((await e2b.fetchFrom(sandbox, 49_982)).status, 502);
    });

    it("measures itself, and is found by its labels", async () => {
      await sandbox.commands.run("for i in $(seq 10); do sleep 0.4; done");
      const samples = await sandbox.getMetrics();
      const [sample] = samples;
      assert.ok(sample && sample.memTotal > 100 * MIB && sample.memUsed > 0 && sample.diskTotal > 0);
      const times = samples.map(({ timestamp }) => timestamp.getTime());
      assert.ok(times.length >= 3, `${times.length} samples of what it has done`);
      assert.deepEqual(times, times.toSorted());
      const [middle] = times.slice(1);
      const until = await sandbox.getMetrics({ start: new Date(0), end: new Date(middle ?? 0) });
      assert.ok(until.length >= 1 && until.length < times.length, `${until.length} of ${times.length}`);
      const found = await Sandbox.list({ ...e2b.options, query: { metadata: { run: "sdk" } } }).nextItems();
      assert.deepEqual(
        found.map(({ sandboxId }) => sandboxId),
        [sandbox.sandboxId],
      );
    });

    it("tells what was done to it, and what its agent says", async () => {
      await sandbox.commands.run("true");
      const read = async (query: string) => {
        const headers = { "x-api-key": e2b.options.apiKey };
        const url = `${e2b.options.apiUrl}/v2/sandboxes/${sandbox.sandboxId}/logs?${query}`;
        const { logs } = (await (await fetch(url, { headers })).json()) as {
          logs: { message: string; timestamp: string; fields: Record<string, string> }[];
        };
        return logs;
      };
      const logs = await read("");
      assert.ok(
        logs.some(({ message, fields }) => message === "sandbox.create" && fields["source"] === "platform"),
      );
      const [start] = await read("search=Start&direction=backward&limit=1");
      assert.equal(start?.fields["source"], "agent");
      assert.ok(Math.abs(Date.parse(start?.timestamp ?? "") - Date.now()) < 60_000);
    });

    it("ends when its time is over although it is busy, and says so", async () => {
      const short = await e2b.sandbox();
      assert.equal(await short.isRunning(), true);
      const busy = await short.commands.run("sleep 60", { background: true, timeoutMs: 0 });
      await short.setTimeout(2_000);
      await assert.rejects(busy.wait(), TimeoutError);
      assert.equal(await short.isRunning(), false);
      await assert.rejects(short.commands.run("true"), SandboxNotFoundError);
    });

    it("runs without internet access, and lets the rules be changed", async () => {
      const closed = await e2b.sandbox({ allowInternetAccess: false });
      const rules = () => e2b.rulesOf(closed);
      assert.match(await rules(), /ip daddr @forbidden drop\s+drop/);
      assert.equal((await closed.commands.run("echo alive")).stdout, "alive\n");
      await closed.updateNetwork({ denyOut: ["203.0.113.0/24"] });
      assert.match(await rules(), /elements = \{ 203\.0\.113\.0\/24 \}/);
      await closed.kill();
    });

    it("kills a sandbox", async () => {
      assert.equal(await sandbox.kill(), true);
      assert.equal(await sandbox.isRunning(), false);
      assert.equal(await sandbox.kill(), false);
    });
  });
}
