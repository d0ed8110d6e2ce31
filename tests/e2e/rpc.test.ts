import assert from "node:assert/strict";
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { HostAgentService } from "@wrenn/rpc/hostagent";
import { type Platform, startPlatform } from "./platform.ts";
import { pidsOf } from "./processes.ts";

describe("hostagent.v1.HostAgentService", () => {
  let platform: Platform;
  let agent: Client<typeof HostAgentService>;
  let id = "";
  before(async () => {
    platform = await startPlatform();
    agent = createClient(
      HostAgentService,
      createConnectTransport({
        httpVersion: "1.1",
        baseUrl: "http://agent",
        nodeOptions: { socketPath: `/run/wrenn/${platform.block}/agent.sock` },
      }),
    );
    ({ id } = await platform.sandbox());
  });
  after(() => platform?.stop());

  const fails = async (call: Promise<unknown>, code: Code, wrennCode: string) => {
    await assert.rejects(call, (reason) => {
      assert.ok(reason instanceof ConnectError);
      assert.equal(reason.metadata.get("wrenn-code"), wrennCode);
      assert.equal(reason.code, code);
      return true;
    });
  };

  it("GetHost, ListTemplates and ListSandboxes describe the machine", async () => {
    const host = await agent.getHost({});
    assert.match(host.vmm, /^qemu \d/);
    assert.ok(host.isolation === "tcg" || host.isolation === "kvm");
    const { templates } = await agent.listTemplates({});
    const minimal = templates.find(({ name }) => name === "minimal");
    assert.match(minimal?.rootfsSha256 ?? "", /^[0-9a-f]{64}$/);
    assert.ok(Number(minimal?.sizeBytes) > 50e6);
    const { sandboxes } = await agent.listSandboxes({});
    const info = sandboxes.find(({ sandboxId }) => sandboxId === id);
    assert.equal(info?.status, "running");
    assert.match(info?.hostIp ?? "", /^10\.11\./);
  });

  it("CreateSandbox and DestroySandbox", async () => {
    const made = await agent.createSandbox({ template: "minimal", vcpus: 1, memoryMb: 512, timeoutSec: 60 });
    assert.equal(made.status, "running");
    await agent.destroySandbox({ sandboxId: made.sandboxId });
    await agent.destroySandbox({ sandboxId: made.sandboxId });
    const exec = agent.exec({ sandboxId: made.sandboxId, cmd: "true" });
    await fails(exec, Code.NotFound, "not_found");
  });

  it("Exec", async () => {
    const result = await agent.exec({
      sandboxId: id,
      cmd: "sh",
      args: ["-c", "echo out; echo err >&2; exit 3"],
    });
    assert.equal(Buffer.from(result.stdout).toString(), "out\n");
    assert.equal(Buffer.from(result.stderr).toString(), "err\n");
    assert.equal(result.exitCode, 3);
    assert.ok(result.guestMicros > 0n);
  });

  it("ExecStream with SendExecInput", async () => {
    const events: string[] = [];
    for await (const { event } of agent.execStream({ sandboxId: id, cmd: "cat", stdin: true })) {
      events.push(event.case ?? "");
      if (event.case === "start") {
        const { pid } = event.value;
        const text = new TextEncoder().encode("through");
        await agent.sendExecInput({ sandboxId: id, pid, input: { case: "stdin", value: text } });
        await agent.sendExecInput({ sandboxId: id, pid, input: { case: "stdinClose", value: true } });
      }
      if (event.case === "data")
        assert.equal(Buffer.from(event.value.output.value ?? []).toString(), "through");
      if (event.case === "end") assert.equal(event.value.exitCode, 0);
    }
    assert.equal(events[0], "start");
    assert.equal(events.at(-1), "end");
  });

  it("WriteFile, ReadFile, WriteFileStream, ReadFileStream", async () => {
    const content = Buffer.from("a".repeat(100_000));
    await agent.writeFile({ sandboxId: id, path: "/tmp/w", content });
    assert.deepEqual(Buffer.from((await agent.readFile({ sandboxId: id, path: "/tmp/w" })).content), content);
    async function* messages() {
      yield { content: { case: "meta", value: { sandboxId: id, path: "/tmp/s" } } } as const;
      for (let i = 0; i < 10; i++) yield { content: { case: "chunk", value: content } } as const;
    }
    await agent.writeFileStream(messages());
    let size = 0;
    for await (const { chunk } of agent.readFileStream({ sandboxId: id, path: "/tmp/s" }))
      size += chunk.length;
    assert.equal(size, 10 * content.length);
    await fails(agent.readFile({ sandboxId: id, path: "/absent" }), Code.NotFound, "not_found");
    await fails(
      agent.readFile({ sandboxId: id, path: "relative" }),
      Code.InvalidArgument,
      "invalid_argument",
    );
    async function* noMeta() {
      yield { content: { case: "chunk", value: content } } as const;
    }
    await fails(agent.writeFileStream(noMeta()), Code.InvalidArgument, "invalid_argument");
  });

  const sh = async (script: string) => {
    const { exitCode, stdout } = await agent.exec({ sandboxId: id, cmd: "sh", args: ["-c", script] });
    assert.equal(exitCode, 0, script);
    return Buffer.from(stdout).toString().trim();
  };

  it("GetStorage tells what a running sandbox has written, and whose it is", async () => {
    const own = async () => {
      const { entries } = await agent.getStorage({});
      return entries.find((entry) => entry.kind === "sandbox" && entry.id === id);
    };
    const before = await own();
    assert.deepEqual(before?.usedBy, [`sandbox ${id}`]);
    await sh("head -c 4M /dev/urandom > /home/user/written; sync");
    const grown = Number((await own())?.sizeBytes) - Number(before.sizeBytes);
    assert.ok(grown >= 4 << 20 && grown < 64 << 20, `${grown} bytes`);
  });

  it("RestoreSandbox to what is damaged is refused, and the sandbox runs on", async () => {
    await agent.createSnapshot({ sandboxId: id, name: "broken" });
    const { snapshot } = JSON.parse(readFileSync(join(platform.dataDir, "templates/broken.json"), "utf8"));
    const devices = join(platform.dataDir, "snapshots", snapshot, "devices.bin");
    writeFileSync(devices, readFileSync(devices).subarray(0, 8192));
    const pid = await sh(
      "echo later > /home/user/word; echo later > /dev/shm/word; sleep 5000 >&- 2>&- & echo $!",
    );
    await fails(
      agent.restoreSandbox({ sandboxId: id, snapshot: "broken" }),
      Code.FailedPrecondition,
      "snapshot_damaged",
    );
    const { sandboxes } = await agent.listSandboxes({});
    assert.equal(sandboxes.find(({ sandboxId }) => sandboxId === id)?.status, "running");
    assert.equal(
      await sh(`cat /home/user/word /dev/shm/word; kill -0 ${pid} && echo goes on`),
      "later\nlater\ngoes on",
    );
    await agent.deleteSnapshot({ name: "broken" });
  });

  it("PingSandbox restarts the inactivity clock", async () => {
    const seen = async () =>
      (await agent.listSandboxes({})).sandboxes.find(({ sandboxId }) => sandboxId === id)?.lastActiveAtUnix ??
      0n;
    const first = await seen();
    const deadline = Date.now() + 10_000;
    while ((await seen()) === first) {
      assert.ok(Date.now() < deadline);
      await agent.pingSandbox({ sandboxId: id });
    }
  });

  it("reports are repeated until acknowledged", async () => {
    const made = await agent.createSandbox({ template: "minimal", vcpus: 1, memoryMb: 512, timeoutSec: 0 });
    const machines = pidsOf((argv) => /qemu-system/.test(argv[0] ?? "") && argv.includes(made.sandboxId));
    assert.equal(machines.length, 1);
    for (const pid of machines) process.kill(pid, "SIGKILL");
    const deadline = Date.now() + 30_000;
    const find = async () =>
      (await agent.listReports({})).reports.find((r) => r.sandboxId === made.sandboxId);
    let report = await find();
    // The control plane acknowledges too; what must not happen is that the sandbox stays "running".
    while (!report && Date.now() < deadline) {
      const { sandboxes } = await agent.listSandboxes({});
      // What ended unasked stays in the list, with what is left of it.
      if (!sandboxes.some((one) => one.sandboxId === made.sandboxId && one.status === "running")) break;
      report = await find();
    }
    assert.ok(Date.now() < deadline, "a machine that has died counts as running");
    if (report) {
      assert.equal(report.status, "stopped");
      await agent.acknowledgeReports({ ids: [report.id] });
      assert.equal(await find(), undefined);
    }
  });

  it("validates again what the control plane should have validated", async () => {
    for (const bad of [
      "",
      "sb-UPPER00000000000",
      "../../../etc",
      "sb-aaaaaaaaaaaaaaa/",
      "sb-aaaaaaaaaaaaaaaa\0",
    ]) {
      await fails(agent.destroySandbox({ sandboxId: bad }), Code.InvalidArgument, "invalid_argument");
      await fails(agent.exec({ sandboxId: bad, cmd: "true" }), Code.InvalidArgument, "invalid_argument");
    }
    const create = (more: object) =>
      agent.createSandbox({ template: "minimal", vcpus: 1, memoryMb: 512, ...more });
    await fails(create({ template: "../minimal" }), Code.InvalidArgument, "invalid_argument");
    await fails(create({ template: "absent" }), Code.NotFound, "not_found");
    await fails(create({ vcpus: 9 }), Code.InvalidArgument, "invalid_argument");
    await fails(create({ memoryMb: 1 }), Code.InvalidArgument, "invalid_argument");
    await fails(create({ diskMb: 1_000_000 }), Code.InvalidArgument, "invalid_argument");
    await fails(create({ timeoutSec: -1 }), Code.InvalidArgument, "invalid_argument");
    await fails(create({ sandboxId: "x" }), Code.InvalidArgument, "invalid_argument");
    await fails(agent.exec({ sandboxId: id, cmd: "" }), Code.InvalidArgument, "invalid_argument");
  });

  it("speaks plain JSON too, and only on its private socket", async () => {
    const body = await new Promise<string>((resolve, reject) => {
      const call = request(
        {
          socketPath: `/run/wrenn/${platform.block}/agent.sock`,
          path: "/hostagent.v1.HostAgentService/ListTemplates",
          method: "POST",
          headers: { "content-type": "application/json" },
        },
        (response) => {
          let text = "";
          response.on("data", (chunk) => {
            text += chunk;
          });
          response.on("end", () => resolve(text));
        },
      );
      call.on("error", reject).end("{}");
    });
    assert.match(body, /"name":"minimal"/);
    const socket = statSync(`/run/wrenn/${platform.block}/agent.sock`);
    assert.equal(socket.mode & 0o777, 0o600);
  });

  it("BuildTemplate boots what has not booted: the same files again only when the booted copy is not whole", async () => {
    const build = async () => {
      const events: (string | undefined)[] = [];
      for await (const { event } of agent.buildTemplate({ name: "minimal" }, { timeoutMs: 0 }))
        events.push(event.case === "step" ? event.value.name : event.case);
      assert.equal(events.at(-1), "ready");
      return events;
    };
    const warm = () => {
      const text = readFileSync(join(platform.dataDir, "templates/minimal.json"), "utf8");
      return Object.values((JSON.parse(text) as { warm: Record<string, string> }).warm);
    };
    const before = warm();
    assert.ok(!(await build()).includes("boot once"));
    assert.deepEqual(warm(), before);

    const memory = join(platform.dataDir, "snapshots", before[0] ?? "", "memory.bin");
    const content = readFileSync(memory);
    content[content.length - 1] = (content.at(-1) ?? 0) ^ 1;
    // Another file under its name: the old one may have further names.
    writeFileSync(`${memory}.damaged`, content);
    renameSync(`${memory}.damaged`, memory);
    assert.ok((await build()).includes("boot once"));
    assert.notDeepEqual(warm(), before);
    const shape = { template: "minimal", vcpus: 1, memoryMb: 512 };
    const made = await agent.createSandbox({ ...shape, timeoutSec: 60, start: "clone" });
    await agent.destroySandbox({ sandboxId: made.sandboxId });
  });
});
