// Files in transit: packed, in part, by signed URL, with metadata, put together.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { get as httpGet, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { createGunzip, gunzipSync, gzipSync } from "node:zlib";
import { signatureOf } from "../http/signature.ts";
import { until } from "../testing/run-command.ts";
import { RunningEnvd, TOKEN } from "../testing/running-envd.ts";

const MIB = 1024 * 1024;
const OCTETS = { "content-type": "application/octet-stream" };

let envd: RunningEnvd;
let root: string;
let dir: string;
let count = 0;
before(async () => {
  envd = await RunningEnvd.start({ init: { defaultUser: "root" } });
  root = mkdtempSync(join(tmpdir(), "envd-transfer-"));
});
beforeEach(() => {
  dir = join(root, String(count++));
  mkdirSync(dir);
});
after(async () => {
  await envd[Symbol.asyncDispose]();
  rmSync(root, { recursive: true });
});

const target = (path: string, more: Record<string, string> = {}) =>
  `/files?${new URLSearchParams({ path, ...more })}`;
const post = (path: string, body: BodyInit, headers: Record<string, string> = {}) =>
  envd.fetch(target(path), { method: "POST", body, headers: { ...OCTETS, ...headers } });

/** As the server sent it: `fetch` would ask for, and undo, encodings by itself. */
async function plainGet(path: string, headers: Record<string, string> = {}) {
  const options = { headers: { "x-access-token": TOKEN, ...headers } };
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  httpGet(`${envd.url}${target(path)}`, options, resolve).on("error", reject);
  const reply = await promise;
  return { reply, status: reply.statusCode, headers: reply.headers };
}
async function bodyOf(reply: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of reply) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describe("gzip", () => {
  test("comes for a reader who asks for it and nothing else", async () => {
    writeFileSync(`${dir}/f`, "text ".repeat(10_000));
    const packed = await plainGet(`${dir}/f`, { "accept-encoding": "gzip" });
    assert.equal(packed.headers["content-encoding"], "gzip");
    assert.equal(packed.headers.vary, "accept-encoding");
    const bytes = await bodyOf(packed.reply);
    assert.ok(bytes.length < 5000);
    assert.equal(gunzipSync(bytes).toString(), "text ".repeat(10_000));
    for (const accepted of [undefined, "gzip, deflate", "identity"]) {
      const { reply, headers } = await plainGet(
        `${dir}/f`,
        accepted === undefined ? {} : { "accept-encoding": accepted },
      );
      assert.deepEqual([headers["content-encoding"], headers["content-length"]], [undefined, "50000"]);
      reply.resume();
    }
    const part = await plainGet(`${dir}/f`, { "accept-encoding": "gzip", range: "bytes=0-3" });
    assert.deepEqual([part.status, (await bodyOf(part.reply)).toString()], [206, "text"]);
    const none = await plainGet(`${dir}/f`, { "accept-encoding": "br, identity;q=0" });
    assert.equal(none.status, 406);
    assert.equal(JSON.parse((await bodyOf(none.reply)).toString()).code, 406);
  });

  test("an empty file is empty, and what the kernel makes up can be packed too", async () => {
    writeFileSync(`${dir}/empty`, "");
    const empty = await plainGet(`${dir}/empty`, { "accept-encoding": "gzip" });
    assert.deepEqual([empty.headers["content-length"], empty.headers["content-encoding"]], ["0", undefined]);
    const made = await plainGet("/proc/version", { "accept-encoding": "gzip" });
    assert.equal(gunzipSync(await bodyOf(made.reply)).toString(), readFileSync("/proc/version", "utf8"));
  });

  test("a large file is packed at the pace of its reader", async () => {
    writeFileSync(`${dir}/big`, "");
    truncateSync(`${dir}/big`, 256 * MIB);
    const noise = randomBytes(MIB);
    writeFileSync(`${dir}/big`, Buffer.concat(Array(64).fill(noise)), { flag: "r+" });
    const before = envd.rss;
    const { reply } = await plainGet(`${dir}/big`, { "accept-encoding": "gzip" });
    const unpacked = reply.pipe(createGunzip());
    let length = 0;
    let peak = 0;
    for await (const chunk of unpacked) {
      length += (chunk as Buffer).length;
      peak = Math.max(peak, envd.rss);
      if (length === (chunk as Buffer).length) await new Promise((resolve) => setTimeout(resolve, 500));
    }
    assert.equal(length, 256 * MIB);
    assert.ok(peak - before < 96 * MIB, `grew by ${(peak - before) / MIB} MiB`);
  });

  test("uploads may be packed, plain or multipart, of one member or several", async () => {
    const headers = { "content-encoding": "gzip" };
    assert.equal((await post(`${dir}/f`, gzipSync("one"), headers)).status, 200);
    assert.equal(readFileSync(`${dir}/f`, "utf8"), "one");
    const members = Buffer.concat([gzipSync("one"), gzipSync("two")]);
    assert.equal((await post(`${dir}/f`, members, headers)).status, 200);
    assert.equal(readFileSync(`${dir}/f`, "utf8"), "onetwo");
    const form = new FormData();
    form.append("file", new Blob(["three"]), "ignored");
    const whole = new Response(form);
    const type = whole.headers.get("content-type") as string;
    const packed = gzipSync(Buffer.from(await whole.arrayBuffer()));
    assert.equal((await post(`${dir}/f`, packed, { ...headers, "content-type": type })).status, 200);
    assert.equal(readFileSync(`${dir}/f`, "utf8"), "three");
  });

  test("an upload that is not whole gzip data leaves the old file", async () => {
    writeFileSync(`${dir}/f`, "old");
    const good = gzipSync(randomBytes(200_000));
    for (const body of [good.subarray(0, 100_000), Buffer.from("not gzip"), good.subarray(0, -4)]) {
      assert.equal((await post(`${dir}/f`, body, { "content-encoding": "gzip" })).status, 400);
    }
    assert.equal((await post(`${dir}/f`, good, { "content-encoding": "br" })).status, 415);
    assert.deepEqual(readdirSync(dir), ["f"]);
    assert.equal(readFileSync(`${dir}/f`, "utf8"), "old");
  });

  test("a packed upload is unpacked in bounded memory", async () => {
    const packed = gzipSync(Buffer.alloc(256 * MIB));
    const before = envd.rss;
    let peak = 0;
    const done = post(`${dir}/f`, packed, { "content-encoding": "gzip" });
    let isDone = false;
    void done.finally(() => {
      isDone = true;
    });
    await until(
      "it has arrived",
      () => {
        peak = Math.max(peak, envd.rss);
        return isDone;
      },
      60_000,
    );
    assert.equal((await done).status, 200);
    assert.equal(statSync(`${dir}/f`).size, 256 * MIB);
    assert.ok(peak - before < 96 * MIB, `grew by ${(peak - before) / MIB} MiB`);
  });
});

describe("conditions", () => {
  test("a version that the reader has is not sent again", async () => {
    writeFileSync(`${dir}/f`, "0123456789");
    utimesSync(`${dir}/f`, 1_700_000_000, 1_700_000_000);
    const first = await plainGet(`${dir}/f`);
    first.reply.resume();
    const { etag = "", "last-modified": modified = "" } = first.headers;
    assert.equal(modified, new Date(1_700_000_000_000).toUTCString());
    for (const have of [{ "if-none-match": etag }, { "if-modified-since": modified }]) {
      const again = await plainGet(`${dir}/f`, have);
      assert.deepEqual([again.status, (await bodyOf(again.reply)).length], [304, 0]);
    }
    const part = await plainGet(`${dir}/f`, { range: "bytes=2-4", "if-range": etag });
    assert.deepEqual([part.status, (await bodyOf(part.reply)).toString()], [206, "234"]);

    assert.equal((await post(`${dir}/f`, "abcdefghij")).status, 200);
    const changed = await plainGet(`${dir}/f`, { "if-none-match": etag });
    assert.deepEqual([changed.status, (await bodyOf(changed.reply)).toString()], [200, "abcdefghij"]);
    assert.notEqual(changed.headers.etag, etag);
    const other = await plainGet(`${dir}/f`, { range: "bytes=2-4", "if-range": etag });
    assert.deepEqual([other.status, (await bodyOf(other.reply)).toString()], [200, "abcdefghij"]);
    const failed = await plainGet(`${dir}/f`, { "if-match": etag });
    assert.equal(failed.status, 412);
    failed.reply.resume();
  });
});

describe("metadata", () => {
  const metadataOf = async (path: string) => (await envd.filesystem.stat({ path })).entry?.metadata;

  test("is kept with the file, and replaced with it", async () => {
    const reply = await post(`${dir}/f`, "1", { "X-Metadata-Author": "me", "x-metadata-stage": "a b" });
    const metadata = { author: "me", stage: "a b" };
    assert.deepEqual(await reply.json(), [{ path: `${dir}/f`, name: "f", type: "file", metadata }]);
    assert.deepEqual(await metadataOf(`${dir}/f`), metadata);
    const { entries } = await envd.filesystem.listDir({ path: dir });
    assert.deepEqual(entries[0]?.metadata, metadata);
    const { entry } = await envd.filesystem.move({ source: `${dir}/f`, destination: `${dir}/g` });
    assert.deepEqual(entry?.metadata, metadata);
    assert.equal((await post(`${dir}/g`, "2", { "x-metadata-stage": "c" })).status, 200);
    assert.deepEqual(await metadataOf(`${dir}/g`), { stage: "c" });
    assert.deepEqual(await (await post(`${dir}/g`, "3")).json(), [
      { path: `${dir}/g`, name: "g", type: "file" },
    ]);
    assert.deepEqual(await metadataOf(`${dir}/g`), {});
  });

  test("that cannot be kept is refused before anything is written", async () => {
    const long = { "x-metadata-k": "v".repeat(4096) };
    const reply = await post(`${dir}/f`, "1", long);
    assert.equal(reply.status, 400);
    assert.equal(((await reply.json()) as { field: string }).field, "metadata");
    assert.deepEqual(readdirSync(dir), []);
  });
});

describe("signed URLs", () => {
  const sha256 = (text: string) => createHash("sha256").update(text).digest("base64");
  const urlOf = (path: string, operation: "read" | "write", { user = "", expiration = "" } = {}) => {
    const signed = { path, operation, user, expiration: expiration || undefined };
    const query = {
      signature: signatureOf(signed, TOKEN, sha256),
      ...(user && { username: user }),
      ...(expiration && { signature_expiration: expiration }),
    };
    return `${envd.url}${target(path, query)}`;
  };
  const inAnHour = String(Math.floor(Date.now() / 1000) + 3600);

  test("give access to one file for one purpose, without the token", async () => {
    writeFileSync(`${dir}/f`, "text");
    for (const options of [{}, { user: "root" }, { expiration: inAnHour }]) {
      const reply = await fetch(urlOf(`${dir}/f`, "read", options));
      assert.deepEqual([reply.status, await reply.text()], [200, "text"]);
    }
    const upload = { method: "POST", body: "new", headers: OCTETS };
    assert.equal((await fetch(urlOf(`${dir}/f`, "write"), upload)).status, 200);
    assert.equal(readFileSync(`${dir}/f`, "utf8"), "new");
  });

  test("give nothing else", async () => {
    writeFileSync(`${dir}/f`, "text");
    writeFileSync(`${dir}/other`, "text");
    const read = urlOf(`${dir}/f`, "read", { expiration: inAnHour });
    const wrong: [string, RequestInit?][] = [
      [read.replace("%2Ff&", "%2Fother&")],
      [`${read}&username=root`],
      [read.replace(inAnHour, String(Number(inAnHour) + 1))],
      [read.replace(/&signature_expiration=\d+/, "")],
      [urlOf(`${dir}/f`, "read", { expiration: "1700000000" })],
      [read, { method: "POST", body: "x", headers: OCTETS }],
      [urlOf(`${dir}/f`, "write")],
      [read.replace("/files?", "/envs?")],
      [read.replace("/files?", "/files/compose?"), { method: "POST", body: "{}" }],
      [`${envd.url}${target(`${dir}/f`, { signature: "" })}`],
    ];
    for (const [url, init] of wrong) {
      const reply = await fetch(url, init);
      assert.equal(reply.status, 401, url);
      assert.equal(((await reply.json()) as { code: number }).code, 401);
    }
  });
});

describe("POST /files/compose", () => {
  const compose = (body: unknown, headers: Record<string, string> = {}) =>
    envd.fetch("/files/compose", { method: "POST", body: JSON.stringify(body), headers });

  test("puts files together in the order given, also into one of them", async () => {
    writeFileSync(`${dir}/a`, "A".repeat(3 * MIB));
    writeFileSync(`${dir}/b`, "B");
    const source_paths = [`${dir}/b`, `${dir}/a`, `${dir}/b`];
    const reply = await compose({ source_paths, destination: `${dir}/to/c` }, { "x-metadata-k": "v" });
    assert.deepEqual(await reply.json(), [
      { path: `${dir}/to/c`, name: "c", type: "file", metadata: { k: "v" } },
    ]);
    assert.equal(readFileSync(`${dir}/to/c`, "utf8"), `B${"A".repeat(3 * MIB)}B`);
    assert.equal((await compose({ source_paths, destination: `${dir}/b` })).status, 200);
    assert.equal(statSync(`${dir}/b`).size, 3 * MIB + 2);
  });

  test("writes nothing when something is wrong", async () => {
    writeFileSync(`${dir}/a`, "A");
    for (const [body, status, field] of [
      [{ source_paths: [`${dir}/a`, `${dir}/absent`], destination: `${dir}/c` }, 404, "source_paths"],
      [{ source_paths: [`${dir}/a`, dir], destination: `${dir}/c` }, 400, "source_paths"],
      [{ source_paths: [`${dir}/a`], destination: dir }, 400, "path"],
      [{ source_paths: [], destination: `${dir}/c` }, 400, "source_paths"],
      [{ source_paths: [1], destination: `${dir}/c` }, 400, "source_paths"],
      [{ source_paths: [`${dir}/a`] }, 400, "destination"],
      [null, 400, "source_paths"],
    ] as const) {
      const reply = await compose(body);
      const { field: named } = (await reply.json()) as { field: string };
      assert.deepEqual([reply.status, named], [status, field], JSON.stringify(body));
    }
    assert.deepEqual(readdirSync(dir), ["a"]);
  });
});
