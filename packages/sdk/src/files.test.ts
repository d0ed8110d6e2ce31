import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { WrennApiError, WrennConnectionError } from "./index.ts";
import { answer, bodyOf, testService } from "./test-service.ts";

/** The parts of a form, by the web platform's own parser. */
async function parse(contentType: string | undefined, body: Buffer): Promise<FormData> {
  const headers = { "content-type": contentType ?? "" };
  return new Response(new Uint8Array(body), { headers }).formData();
}

describe("files.write()", () => {
  const content = randomBytes(300_000);
  async function* chunks() {
    for (let offset = 0; offset < content.length; offset += 70_000)
      yield content.subarray(offset, offset + 70_000);
  }
  const forms = { bytes: new Uint8Array(content), "a Blob": new Blob([content]), "a stream": chunks() };
  for (const [name, data] of Object.entries(forms)) {
    it(`sends ${name}, with the path in front`, async () => {
      let form = new FormData();
      await using service = await testService({
        http: async (request, response) => {
          form = await parse(request.headers["content-type"], await bodyOf(request));
          answer(response, 204);
        },
      });
      await service.client().files.write("sb-1", '/tmp/ü "x"', data);
      assert.equal(service.requests[0]?.url, "/v1/sandboxes/sb-1/files/stream/write");
      assert.deepEqual([...form.keys()], ["path", "file"]);
      assert.equal(form.get("path"), '/tmp/ü "x"');
      const file = form.get("file");
      assert.ok(file instanceof Blob);
      assert.ok(Buffer.from(await file.arrayBuffer()).equals(content));
    });
  }

  it("reads a stream no faster than the service takes it", async () => {
    const chunk = Buffer.alloc(64 * 1024);
    let read = 0;
    const { promise: looked, resolve: look } = Promise.withResolvers<number>();
    async function* endless() {
      for (;;) {
        read += chunk.length;
        yield chunk;
      }
    }
    await using service = await testService({
      http: (request) => {
        request.pause();
        // The request's first bytes are here; give the client every chance to run ahead.
        setTimeout(() => look(read), 300);
      },
    });
    const controller = new AbortController();
    const upload = service.client().files.write("sb-1", "/x", endless(), { signal: controller.signal });
    upload.catch(() => undefined);
    const ahead = await looked;
    controller.abort();
    await assert.rejects(upload, { name: "AbortError" });
    assert.ok(ahead < 16 * 1024 * 1024, `${ahead} bytes were read ahead`);
  });

  it("throws what reading the source failed with", async () => {
    async function* broken() {
      yield new Uint8Array(10);
      throw new RangeError("disk on fire");
    }
    await using service = await testService({});
    await assert.rejects(
      service.client().files.write("sb-1", "/x", broken()),
      new RangeError("disk on fire"),
    );
  });

  it("throws the service's error", async () => {
    await using service = await testService({
      http: async (request, response) => {
        await bodyOf(request);
        answer(response, 404, { error: { code: "not_found", message: "no sandbox sb-1" } });
      },
    });
    await assert.rejects(service.client().files.write("sb-1", "/x", "y"), WrennApiError);
  });
});

describe("files.read()", () => {
  it("gives the bytes", async () => {
    const content = randomBytes(200_000);
    await using service = await testService({
      http: async (request, response) => {
        assert.deepEqual(JSON.parse(String(await bodyOf(request))), { path: "/x" });
        response.writeHead(200, { "content-type": "application/octet-stream" }).end(content);
      },
    });
    assert.ok(content.equals(await service.client().files.read("sb-1", "/x")));
  });

  it("fails when the transfer breaks off", async () => {
    await using service = await testService({
      http: (_request, response) => {
        response.writeHead(200).write("half");
        response.write("", () => response.destroy());
      },
    });
    await assert.rejects(service.client().files.read("sb-1", "/x"), WrennConnectionError);
  });
});
