// The form parser against every way of cutting a body into reads.
import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { PassThrough, Readable } from "node:stream";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import fc from "fast-check";
import { receiveUpload, type UploadSink } from "./receive-upload.ts";

class Sink implements UploadSink {
  readonly chunks: Buffer[] = [];
  state = "open";
  async write(chunk: Buffer): Promise<void> {
    this.chunks.push(chunk);
  }
  async finish(): Promise<void> {
    this.state = "finished";
  }
  abort(): void {
    this.state = "aborted";
  }
}

const path = '--B\r\ncontent-disposition: form-data; name="path"\r\n\r\n/x\r\n';
const file = (content: Buffer) =>
  Buffer.concat([
    Buffer.from('--B\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n'),
    content,
    Buffer.from("\r\n"),
  ]);
const end = Buffer.from("--B--\r\n");

async function receive(
  body: Buffer,
  cuts: number[],
  options = { pathFirst: false, maxBytes: 1000 },
): Promise<{ sinks: Sink[]; error?: WrennError }> {
  const stream = new PassThrough();
  const request = Object.assign(stream, {
    headers: { "content-type": "multipart/form-data; boundary=B" },
    complete: false,
  });
  const sinks: Sink[] = [];
  const open = () => {
    const sink = new Sink();
    sinks.push(sink);
    return sink;
  };
  const done = receiveUpload(request as unknown as IncomingMessage, { ...options, open }).then(
    () => ({ sinks }),
    (error: WrennError) => ({ sinks, error }),
  );
  const marks = [...new Set(cuts.map((cut) => cut % (body.length + 1)))].sort((a, b) => a - b);
  for (const [i, from] of [0, ...marks].entries()) stream.write(body.subarray(from, marks[i] ?? body.length));
  request.complete = true;
  stream.end();
  return await done;
}

test("the bytes arrive as they were, in any order of parts and any cut, and only then is it finished", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 400 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      fc.boolean(),
      async (bytes, cuts, first) => {
        const parts = [Buffer.from(path), file(Buffer.from(bytes))];
        const { sinks, error } = await receive(
          Buffer.concat([...(first ? parts : parts.reverse()), end]),
          cuts,
        );
        assert.equal(error, undefined);
        assert.equal(sinks.length, 1);
        assert.deepEqual(Buffer.concat(sinks[0]?.chunks ?? []), Buffer.from(bytes));
        assert.equal(sinks[0]?.state, "finished");
      },
    ),
    { numRuns: 60 },
  );
});

test("a body that breaks off anywhere is refused, and nothing is finished", async () => {
  const body = Buffer.concat([Buffer.from(path), file(Buffer.from("content")), end]);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: body.length - 6 }), async (length) => {
      const { sinks, error } = await receive(body.subarray(0, length), []);
      assert.ok(error instanceof WrennError && error.httpStatus === 400, `${length}: ${error}`);
      assert.ok(sinks.every(({ state }) => state === "aborted"));
    }),
    { numRuns: 60 },
  );
});

test("a file above the bound is refused as it passes it", async () => {
  const body = Buffer.concat([Buffer.from(path), file(Buffer.alloc(1001)), end]);
  const { sinks, error } = await receive(body, [500, 900]);
  assert.equal(error?.code, "too_large");
  assert.equal(sinks[0]?.state, "aborted");
});

test("a refused upload is read no further, also when the sink was slow", async () => {
  let read = 0;
  const head = Buffer.concat([Buffer.from(path), file(Buffer.alloc(0)).subarray(0, -2)]);
  const long = new Readable({
    read() {
      read += 1;
      if (read > 1_000) this.push(null);
      else this.push(read === 1 ? head : Buffer.alloc(65_536));
    },
  });
  const request = Object.assign(long, {
    headers: { "content-type": "multipart/form-data; boundary=B" },
    complete: false,
  });
  const refused = new WrennError("no_space", "the guest's disk is full");
  const slow = Promise.withResolvers<void>();
  const sink: UploadSink = { write: () => slow.promise, finish: async () => {}, abort: () => {} };
  const done = receiveUpload(request as unknown as IncomingMessage, {
    pathFirst: true,
    maxBytes: Number.POSITIVE_INFINITY,
    open: () => sink,
  });
  // The form's parser is full then, and its pipe waits for it.
  for (let seen = -1; seen !== read; ) {
    seen = read;
    await new Promise(setImmediate);
  }
  slow.reject(refused);
  await assert.rejects(done, refused);
  const before = read;
  for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate);
  assert.ok(read <= before + 1, `${read - before} more pieces were read`);
  long.destroy();
});
