import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { after, before, describe, it } from "node:test";
import { borrowPlatform } from "./lent-platform.ts";
import { nearlyFill, type Platform } from "./platform.ts";

const MIB = 1024 * 1024;

describe("files over REST", () => {
  let platform: Platform;
  let id = "";
  before(async () => {
    platform = await borrowPlatform();
    id = (await platform.sandbox()).id;
  });
  after(() => platform?.stop());

  const guest = async (script: string) =>
    (await platform.client.sandboxes.exec(id, { cmd: "bash", args: ["-c", script] })).stdout.trim();
  const form = (...entries: [string, string | Blob][]) => {
    const data = new FormData();
    for (const [name, value] of entries) {
      if (typeof value === "string") data.append(name, value);
      else data.append(name, value, "name");
    }
    return data;
  };
  const write = (data: FormData, stream = false) =>
    platform.call("POST", `/v1/sandboxes/${id}/files/${stream ? "stream/" : ""}write`, { body: data });
  const read = (path: string, stream = false) =>
    platform.call("POST", `/v1/sandboxes/${id}/files/${stream ? "stream/" : ""}read`, { body: { path } });

  it("writes and reads bytes, parts in any order, and makes parents", async () => {
    const bytes = randomBytes(100_000);
    for (const [name, parts] of [
      [
        "a",
        [
          ["path", "/home/user/new/dir/a"],
          ["file", new Blob([bytes])],
        ],
      ],
      [
        "b",
        [
          ["file", new Blob([bytes])],
          ["path", "/home/user/new/dir/b"],
        ],
      ],
    ] as [string, [string, string | Blob][]][]) {
      assert.equal((await write(form(...parts))).status, 204);
      const response = await read(`/home/user/new/dir/${name}`);
      assert.equal(response.headers.get("content-type"), "application/octet-stream");
      assert.deepEqual(Buffer.from(await response.arrayBuffer()), bytes);
    }
    assert.equal(await guest("stat -c %U /home/user/new/dir/a"), "user");
  });

  it("streams 64 MiB in and out unchanged", async () => {
    const hash = createHash("sha256");
    async function* source() {
      for (let i = 0; i < 64; i++) {
        const chunk = Buffer.alloc(MIB, `${i}-`);
        hash.update(chunk);
        yield chunk;
      }
    }
    await platform.client.files.write(id, "/home/user/large", Readable.from(source(), { objectMode: false }));
    const sent = hash.digest("hex");
    assert.equal((await guest("sha256sum < /home/user/large")).split(" ")[0], sent);
    const back = createHash("sha256");
    for await (const chunk of await platform.client.files.readStream(id, "/home/user/large"))
      back.update(chunk);
    assert.equal(back.digest("hex"), sent);
    await guest("rm /home/user/large");
  });

  it("wants the path first when streaming", async () => {
    const response = await write(form(["file", new Blob(["x"])], ["path", "/tmp/x"]), true);
    assert.equal(response.status, 400);
    assert.equal(await guest("ls /tmp/x 2>/dev/null"), "");
  });

  it("answers 404 for what is not there and 400 for what is no file, streaming or not", async () => {
    for (const stream of [false, true]) {
      assert.equal((await read("/absent/file", stream)).status, 404);
      for (const path of ["/home/user", "/dev/zero", "/proc/self/fd"]) {
        assert.equal((await read(path, stream)).status, 400, path);
      }
      for (const path of ["relative", "", "/nul\0byte", `/${"x".repeat(5000)}`]) {
        assert.equal((await read(path, stream)).status, 400, JSON.stringify(path).slice(0, 40));
      }
    }
  });

  it("reads files that the kernel makes up as it goes", async () => {
    assert.match(await (await read("/proc/version")).text(), /^Linux version/);
  });

  it("leaves the old file whole, and no litter, when an upload is aborted", async () => {
    await guest("mkdir -p /home/user/keep && echo old > /home/user/keep/f");
    const sending = new AbortController();
    async function* source() {
      yield Buffer.alloc(4 * MIB);
      sending.abort();
      yield Buffer.alloc(4 * MIB);
    }
    await assert.rejects(
      platform.client.files.write(id, "/home/user/keep/f", Readable.from(source(), { objectMode: false }), {
        signal: sending.signal,
      }),
    );
    const deadline = Date.now() + 10_000;
    while ((await guest("ls -A /home/user/keep")) !== "f") assert.ok(Date.now() < deadline, "litter stays");
    assert.equal(await guest("cat /home/user/keep/f"), "old");
  });

  it("refuses more than 100 MiB where it must be whole, and says so", async () => {
    const response = await write(
      form(["path", "/home/user/big"], ["file", new Blob([Buffer.alloc(101 * MIB)])]),
    );
    assert.equal(response.status, 413);
    assert.equal(((await response.json()) as { error: { code: string } }).error.code, "too_large");
    assert.equal(await guest("ls /home/user/big 2>/dev/null"), "");
  });

  it("reports a full disk and keeps the old file", async () => {
    const full = await platform.sandbox();
    await platform.client.files.write(full.id, "/home/user/f", "old");
    await nearlyFill(platform, full.id);
    async function* source() {
      for (let i = 0; i < 256; i++) yield Buffer.alloc(MIB);
    }
    await assert.rejects(
      platform.client.files.write(full.id, "/home/user/f", Readable.from(source(), { objectMode: false })),
      (reason: { status?: number }) => reason.status === 507,
    );
    assert.equal(Buffer.from(await platform.client.files.read(full.id, "/home/user/f")).toString(), "old");
    await platform.client.sandboxes.delete(full.id);
  });

  it("keeps the mode of a file that it replaces", async () => {
    await guest("echo '#!/bin/sh' > /home/user/tool; chmod 751 /home/user/tool");
    await platform.client.files.write(id, "/home/user/tool", "#!/bin/sh\necho new\n");
    assert.equal(await guest("stat -c %a /home/user/tool; /home/user/tool"), "751\nnew");
  });
});
