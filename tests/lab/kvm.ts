import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { connect } from "node:tls";
import { describeHost } from "../../lab/guest/host-agent.ts";
import { HostState } from "./host-state.ts";
import { ANY_MACHINE, machineOf } from "./machines.ts";
import { type LabPlatform, labPlatform } from "./platform.ts";

describe("a host with KVM", () => {
  let platform: LabPlatform;
  before(async () => {
    platform = await labPlatform();
  });
  after(() => platform?.[Symbol.asyncDispose]());

  it("has been proven to have it, by a guest", async () => {
    const host = await describeHost(platform.lab);
    assert.equal(host.isolation, "kvm");
    const [name] = host.vmm.split(" ");
    const file = name === "qemu" ? "accelerator" : `accelerator-${name}`;
    const proof = JSON.parse(await platform.guest.run(["cat", `/run/wrenn/${file}.json`]));
    assert.equal(proof.accelerator, "kvm");
    assert.equal(proof.reason, undefined);
  });

  it("serves nobody without a certificate of its authority", async () => {
    const refused = new Promise<string>((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port: platform.lab.hostPort, rejectUnauthorized: false });
      socket.on("data", () => reject(new Error("it answered")));
      socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      socket.on("close", () => resolve("closed"));
      socket.on("secureConnect", () => socket.write("GET / HTTP/1.1\r\nhost: lab\r\n\r\n"));
    });
    assert.match(await refused, /CERTIFICATE_REQUIRED|ECONNRESET|closed/);
  });

  it("runs a sandbox on it, which counts as isolated by hardware", async () => {
    const { sandboxes } = platform.client;
    const made = await platform.sandbox({ min_isolation: "kvm" });
    assert.equal(made.isolation, "kvm");
    const vmm = await platform.guest.run(["pgrep", "--list-full", "--full", machineOf(made.id)]);
    assert.match(vmm, /-accel kvm|\/fc\/firecracker/);
    assert.equal((await sandboxes.exec(made.id, { cmd: "echo", args: ["hi"] })).stdout, "hi\n");
    const where = await sandboxes.exec(made.id, {
      cmd: "cat",
      args: ["/sys/hypervisor/type", "/proc/cpuinfo"],
    });
    assert.match(where.stdout, /hypervisor/);
    await sandboxes.delete(made.id);
    const left = await platform.guest.attempt(["pgrep", "--full", ANY_MACHINE]);
    assert.equal(left.exitCode, 1, "its VMM has gone");
  });

  // Two boots, each of a guest in an emulated machine: the longest there is.
  const long = process.env["WRENN_LONG"] === "1" ? it : undefined;
  long?.(
    "sees a VMM that dies, frees what it held of the host, and boots from the disk that it leaves",
    async () => {
      const { client, guest } = platform;
      const { sandboxes } = client;
      const { id } = await platform.sandbox();
      await sandboxes.exec(id, { cmd: "sh", args: ["-c", "echo flushed > /home/user/word; sync"] });
      await guest.run(["pkill", "-KILL", "--full", machineOf(id)]);
      const deadline = Date.now() + 120_000;
      let status = "running";
      while (status === "running") {
        assert.ok(Date.now() < deadline, "a sandbox whose VMM was killed counts as running");
        ({ status } = await sandboxes.get(id));
      }
      assert.equal(status, "stopped");
      await new HostState(guest).settles(id, deadline);
      await sandboxes.resume(id, { start: "cold" });
      assert.equal((await sandboxes.exec(id, { cmd: "cat", args: ["/home/user/word"] })).stdout, "flushed\n");
      await sandboxes.delete(id);
      const left = async () => (await guest.run(["ls", "/srv/data/sandboxes"])).trim();
      while ((await left()) !== "") assert.ok(Date.now() < deadline + 60_000, "its directory stays");
    },
  );
});
