// Files over HTTP: forms in any order, bounds, failures on either side.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import { after, before, describe, test } from "node:test";
import { LIMITS } from "@wrenn/core";
import { eventually } from "./eventually.ts";
import { type Answer, type TestService, testService } from "./service.ts";

let service: TestService;
let id: string;
before(async () => {
  service = await testService();
  id = await service.sandbox();
});
after(() => service[Symbol.asyncDispose]());

const CONTENT = randomBytes(300_000);

type Part = [name: string, value: string | Buffer];

function form(parts: Part[]): FormData {
  const data = new FormData();
  for (const [name, value] of parts) {
    if (typeof value === "string") data.append(name, value);
    else data.append(name, new Blob([new Uint8Array(value)]), "name.bin");
  }
  return data;
}

const post = (action: string, body: unknown, headers = {}): Promise<Answer> =>
  service.call("POST", `/v1/sandboxes/${id}/files/${action}`, { body, headers });

/** A form by hand, for what FormData does not make. */
function raw(...chunks: (string | Buffer)[]): { body: Buffer; headers: Record<string, string> } {
  return {
    body: Buffer.concat(chunks.map((chunk) => Buffer.from(chunk))),
    headers: { "content-type": "multipart/form-data; boundary=B" },
  };
}

for (const action of ["write", "stream/write"]) {
  describe(`POST files/${action}`, () => {
    test("writes the bytes, passes the request id on, and answers 204", async () => {
      const answer = await post(
        action,
        form([
          ["path", "/a b/é"],
          ["file", CONTENT],
        ]),
        { "x-request-id": "up-1" },
      );
      assert.equal(answer.status, 204, JSON.stringify(answer.body));
      assert.deepEqual(service.host.files.get("/a b/é"), CONTENT);
      assert.equal(service.host.callsOf("PUT raw").at(-1)?.requestId, "up-1");
    });

    test("writes an empty file", async () => {
      assert.equal(
        (
          await post(
            action,
            form([
              ["path", "/empty"],
              ["file", Buffer.alloc(0)],
            ]),
          )
        ).status,
        204,
      );
      assert.equal(service.host.files.get("/empty")?.length, 0);
    });

    const wrong: [string, Part[], string | undefined][] = [
      ["no path", [["file", CONTENT]], "path"],
      ["no file", [["path", "/x"]], "file"],
      [
        "a relative path",
        [
          ["path", "x"],
          ["file", CONTENT],
        ],
        "path",
      ],
      [
        "a path with ..",
        [
          ["path", "/a/../x"],
          ["file", CONTENT],
        ],
        "path",
      ],
      [
        "a path with NUL",
        [
          ["path", "/a\0"],
          ["file", CONTENT],
        ],
        "path",
      ],
      [
        "a path that is too long",
        [
          ["path", `/${"x".repeat(4096)}`],
          ["file", CONTENT],
        ],
        "path",
      ],
      [
        "two paths",
        [
          ["path", "/x"],
          ["file", CONTENT],
          ["path", "/y"],
        ],
        "path",
      ],
      [
        "two files",
        [
          ["path", "/x"],
          ["file", CONTENT],
          ["file", CONTENT],
        ],
        "file",
      ],
      [
        "an unknown part",
        [
          ["path", "/x"],
          ["file", CONTENT],
          ["mode", "0777"],
        ],
        "mode",
      ],
      ["too many parts", Array.from({ length: 20 }, (_, i): Part => [`p${i}`, ""]), "p0"],
    ];
    for (const [what, parts, field] of wrong) {
      test(`refuses ${what} with a 400 that names ${field}, and writes nothing`, async () => {
        const answer = await post(action, form(parts));
        assert.deepEqual([answer.status, answer.body.error.field], [400, field]);
        for (const path of ["/x", "/y", "/a/../x", "x"]) assert.equal(service.host.files.has(path), false);
      });
    }

    test("refuses forms that end too early, are none, or have no boundary", async () => {
      const head =
        '--B\r\ncontent-disposition: form-data; name="path"\r\n\r\n/x\r\n--B\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\nbytes';
      for (const { body, headers } of [raw(head), raw("nonsense"), raw("")]) {
        assert.equal((await post(action, body, headers)).status, 400);
      }
      assert.equal((await post(action, "x", { "content-type": "multipart/form-data" })).status, 415);
      assert.equal(
        (await post(action, "x", { "content-type": "multipart/form-data; boundary=" })).status,
        400,
      );
      assert.equal((await post(action, "{}")).status, 415);
      assert.equal(service.host.files.has("/x"), false);
    });

    test("checks key, sandbox and status first", async () => {
      const body = () =>
        form([
          ["path", "/x"],
          ["file", CONTENT],
        ]);
      const path = (sandbox: string) => `/v1/sandboxes/${sandbox}/files/${action}`;
      assert.equal((await service.call("POST", path(id), { body: body(), key: null })).status, 401);
      assert.equal((await service.call("POST", path("sb-0000000000000000"), { body: body() })).status, 404);
      const ended = await service.sandbox();
      await service.call("DELETE", `/v1/sandboxes/${ended}`);
      assert.equal((await service.call("POST", path(ended), { body: body() })).status, 409);
    });

    test("tells the host's refusal", async () => {
      const answer = await post(
        action,
        form([
          ["path", "/full"],
          ["file", CONTENT],
        ]),
      );
      assert.deepEqual([answer.status, answer.body.error.code], [507, "no_space"]);
    });

    test("a client that breaks off leaves the old file whole", async () => {
      service.host.files.set("/old", Buffer.from("old"));
      const upload = await beginUpload(action, "/old");
      upload.write(CONTENT);
      await eventually(async () => service.host.produced >= CONTENT.length || undefined);
      upload.destroy();
      await eventually(async () => service.host.uploads === 0 || undefined);
      assert.equal(String(service.host.files.get("/old")), "old");
    });

    test("a client that stands still is cut off", async () => {
      const upload = await beginUpload(action, "/still");
      upload.write(CONTENT);
      await eventually(async () => upload.closed || undefined);
      assert.equal(service.host.files.has("/still"), false);
    });
  });
}

describe("the order of parts", () => {
  const parts: Part[] = [
    ["file", CONTENT],
    ["path", "/late"],
  ];
  test("does not matter for files/write", async () => {
    assert.equal((await post("write", form(parts))).status, 204);
    assert.deepEqual(service.host.files.get("/late"), CONTENT);
  });
  test("matters for files/stream/write: 400", async () => {
    const answer = await post("stream/write", form(parts));
    assert.deepEqual([answer.status, answer.body.error.field], [400, "path"]);
  });
});

describe("size", () => {
  test("files/write refuses more than 100 MiB with a 413, announced or not, and writes nothing", async () => {
    const upload = await beginUpload("write", "/large", {
      "content-length": String(LIMITS.filesWriteBytes + 1024 * 1024),
    });
    const [announced] = await once(upload, "response");
    assert.equal(announced.statusCode, 413);
    upload.destroy();
    const chunked = await beginUpload("write", "/large");
    const answered = once(chunked, "response");
    const block = Buffer.alloc(1024 * 1024);
    let status: number | undefined;
    void answered.then(([response]) => {
      status = response.statusCode;
    });
    for (let sent = 0; sent <= LIMITS.filesWriteBytes && status === undefined; sent += block.length) {
      if (!chunked.write(block)) await Promise.race([once(chunked, "drain"), answered]);
    }
    await answered;
    assert.equal(status, 413);
    chunked.destroy();
    assert.equal(service.host.files.has("/large"), false);
  });

  test("files/stream/write takes more than that with bounded memory", async () => {
    const bytes = 256 * 1024 * 1024;
    const upload = await beginUpload("stream/write", "/dev/null");
    const answered = once(upload, "response");
    const block = Buffer.alloc(1024 * 1024);
    const before = process.memoryUsage().rss;
    let highest = 0;
    for (let sent = 0; sent < bytes; sent += block.length) {
      if (!upload.write(block)) await once(upload, "drain");
      highest = Math.max(highest, process.memoryUsage().rss);
    }
    upload.end("\r\n--B--\r\n");
    assert.equal((await answered)[0].statusCode, 204);
    assert.equal(service.host.produced, bytes);
    assert.ok(highest - before < 128 * 1024 * 1024, `grew by ${(highest - before) >> 20} MiB`);
  });
});

describe("reading", () => {
  for (const [action, length] of [
    ["read", String(CONTENT.length)],
    ["stream/read", null],
  ] as const) {
    test(`files/${action} gives the bytes`, async () => {
      service.host.files.set("/r", CONTENT);
      const answer = await post(action, { path: "/r" });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get("content-type"), "application/octet-stream");
      assert.equal(answer.headers.get("content-length"), length);
      assert.deepEqual(answer.body, CONTENT);
    });

    test(`files/${action} is a 404 before any byte for a file that is not there`, async () => {
      const { status, body } = await post(action, { path: "/nope" });
      assert.deepEqual([status, body.error.code, body.error.field], [404, "not_found", "path"]);
    });

    test(`files/${action} breaks the connection off when the host fails in the middle`, async () => {
      service.host.files.set("/breaks", CONTENT);
      await assert.rejects(post(action, { path: "/breaks" }));
    });

    test(`files/${action} refuses a path with .. and unknown fields`, async () => {
      assert.equal((await post(action, { path: "/../etc/shadow" })).body.error.field, "path");
      assert.equal((await post(action, { path: "/r", follow: true })).body.error.field, "follow");
    });

    test(`files/${action} counts the bytes of a path: a longer one would not fit into the host's request`, async () => {
      const answer = await post(action, { path: `/${"é".repeat(LIMITS.pathBytes - 1)}` });
      assert.deepEqual([answer.status, answer.body.error.field], [400, "path"]);
      assert.equal((await post(action, { path: `/${"é".repeat(LIMITS.pathBytes / 2 - 1)}` })).status, 404);
    });
  }
});

/** The head of an upload whose body the test writes. */
async function beginUpload(action: string, path: string, headers: Record<string, string> = {}) {
  const upload = request(`${service.url}/v1/sandboxes/${id}/files/${action}`, {
    method: "POST",
    headers: { "x-api-key": service.key, "content-type": "multipart/form-data; boundary=B", ...headers },
  });
  upload.on("error", () => undefined);
  upload.write(`--B\r\ncontent-disposition: form-data; name="path"\r\n\r\n${path}\r\n`);
  upload.write('--B\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n');
  return upload;
}
