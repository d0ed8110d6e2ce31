import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { networkInterfaces, release } from "node:os";
import { after, before, describe, it } from "node:test";
import { borrowPlatform } from "./lent-platform.ts";
import { nearlyFill, type Platform } from "./platform.ts";

describe("the guest", () => {
  let platform: Platform;
  let id = "";
  before(async () => {
    platform = await borrowPlatform();
    id = (await platform.sandbox({ envs: { FROM_CREATE: "yes" } })).id;
  });
  after(() => platform?.stop());

  const run = async (script: string, user?: string) => {
    const result = await platform.client.sandboxes.exec(id, {
      cmd: "bash",
      args: ["-c", script],
      timeout_sec: 120,
      ...(user === undefined ? {} : { user }),
    });
    assert.equal(result.exit_code, 0, `${script}: ${result.stderr}`);
    return result.stdout.trim();
  };

  it("has a kernel of its own", async () => {
    const [host, guest] = [release(), await run("uname -r")];
    assert.notEqual(guest, host);
    assert.match(guest, /cloud-amd64$/);
  });

  it("has what the template promises", async () => {
    assert.equal(
      await run("python3 -c 'import ssl, sqlite3, venv, json, ctypes, asyncio; print(6*7)'"),
      "42",
    );
    for (const tool of ["git", "curl", "ip", "ps", "sudo", "bash", "sha256sum"])
      await run(`command -v ${tool}`);
    assert.equal(await run("echo $HOME; whoami; sudo -n whoami"), "/home/user\nuser\nroot");
    assert.ok(Number(await run("ls /etc/ssl/certs | wc -l")) > 50);
  });

  it("has an agent drive that nobody can change, and a reaper as process 1", async () => {
    assert.equal(await run("cat /proc/1/comm"), "tini");
    assert.match(await run("grep ' /run/wrenn ' /proc/mounts"), / erofs ro,/);
    const result = await platform.client.sandboxes.exec(id, {
      cmd: "sh",
      args: ["-c", "mount -o remount,rw /run/wrenn || echo x > /dev/vdb"],
      user: "root",
    });
    assert.notEqual(result.exit_code, 0);
    await run("for i in 1 2 3 4 5 6 7 8; do (setsid sh -c 'true & exit' &); done; sleep 1");
    assert.equal(await run("ps -eo stat | grep -c '^Z' || true"), "0");
  });

  it("has a kernel that does not write out inode tables which are zeros already", async () => {
    // In /proc/PID/comm of the thread that would: as long as there is something to do.
    assert.equal(await run("cat /proc/[0-9]*/comm | grep -c ext4lazyinit || true", "root"), "0");
  });

  it("keeps its token from the guest's users and answers nobody without it", async () => {
    assert.equal(await run("curl -s -o /dev/null -w '%{http_code}' localhost:49983/health"), "204");
    for (const path of ["envs", "metrics", "files?path=/etc/passwd"]) {
      assert.equal(
        await run(`curl -s -o /dev/null -w '%{http_code}' 'localhost:49983/${path}'`),
        "401",
        path,
      );
    }
    const init = `curl -s -o /dev/null -w '%{http_code}' -X POST -H 'content-type: application/json' -d '{"accessToken":"mine"}' localhost:49983/init`;
    assert.equal(await run(init), "401");
    assert.equal(await run("cat /proc/cmdline | grep -ciE '[0-9a-f]{64}' || true"), "0");
  });

  it("has a right clock, its name, and the environment it was created with", async () => {
    const clock = Number(await run("date +%s%3N"));
    assert.ok(Math.abs(clock - Date.now()) < 5000, `clock is off by ${clock - Date.now()} ms`);
    assert.equal(await run("hostname"), id);
    assert.equal(await run("echo $FROM_CREATE"), "yes");
  });

  it("reaches neither another guest nor the host, which reach each other", async () => {
    const other = await platform.sandbox();
    const server = createServer((socket) => socket.end("host")).listen(0, "0.0.0.0");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const own = Object.values(networkInterfaces())
      .flat()
      .find(
        (entry) => entry?.family === "IPv4" && !entry.internal && !entry.address.startsWith("10.1"),
      )?.address;
    const targets = [
      [String(other.host_ip), 49983],
      ["169.254.0.22", port],
      ...(own === undefined ? [] : [[own, port] as const]),
    ] as const;
    // The control: from the host each of them answers, so a failure in the guest is the rules' work.
    assert.equal((await fetch(`http://${other.host_ip}:49983/health`)).status, 204);
    if (own !== undefined) await once(connect(port, own), "data");
    const script = `
import socket, sys
for host, port in ${JSON.stringify(targets)}:
    try:
        socket.create_connection((host, port), timeout=3).close()
        print("reached", host)
    except OSError:
        pass
`;
    assert.equal(await run(`python3 -c '${script}'`), "");
    assert.equal(await run(`sudo python3 -c '${script}'`), "");
    server.close();
    await platform.client.sandboxes.delete(other.id);
  });

  it("survives a full disk and out of memory as a machine", async () => {
    const full = await platform.sandbox();
    const exec = (script: string) =>
      platform.client.sandboxes.exec(full.id, { cmd: "bash", args: ["-c", script], timeout_sec: 120 });
    const filler = await nearlyFill(platform, full.id);
    const disk = await exec("head -c 256M /dev/zero > /home/user/full");
    assert.notEqual(disk.exit_code, 0);
    assert.match(disk.stderr, /No space left/);
    await exec(`rm /home/user/full ${filler}`);
    const memory = await exec("python3 -c 'x = bytearray(600*1024*1024); print(len(x))'");
    assert.notEqual(memory.exit_code, 0);
    assert.equal((await exec("echo alive")).stdout, "alive\n");
    await platform.client.sandboxes.delete(full.id);
  });
});
