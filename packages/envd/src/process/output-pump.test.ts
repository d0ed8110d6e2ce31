import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CHUNK_BYTES, OutputPump, type OutputSource } from "./output-pump.ts";

/** A pipe in memory: what is pushed can be read, or drained past a pending read. */
class FakePipe implements OutputSource {
  closed = false;
  readonly #chunks: Uint8Array[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  push(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#wake?.();
  }

  /** Data that a pending read has not been told about yet. */
  pushSilently(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async read(): Promise<Uint8Array | undefined> {
    while (this.#chunks.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#chunks.shift();
  }

  drain(): Uint8Array | undefined {
    return this.#chunks.shift();
  }

  close(): void {
    this.closed = true;
  }
}

function pump(pipe: FakePipe, keep = true) {
  const received: Uint8Array[] = [];
  const publish = async (chunks: Uint8Array[]) => {
    received.push(...chunks);
  };
  const made = new OutputPump(pipe, publish, keep);
  return { made, running: made.run(), received, bytes: () => Buffer.concat(received) };
}

test("all bytes arrive in order, in pieces of bounded size", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 100 })), async (chunks) => {
      const pipe = new FakePipe();
      const { running, bytes, made } = pump(pipe);
      for (const chunk of chunks) pipe.push(chunk);
      pipe.end();
      await running;
      await made.finished;
      assert.ok(bytes().equals(Buffer.concat(chunks)));
      assert.ok(pipe.closed);
    }),
  );
  const pipe = new FakePipe();
  const { running, received, bytes } = pump(pipe);
  const big = Buffer.alloc(5 * CHUNK_BYTES + 7, "abc");
  pipe.push(big);
  pipe.end();
  await running;
  assert.ok(bytes().equals(big));
  assert.ok(received.every((piece) => piece.length <= CHUNK_BYTES));
});

test("hurry() ends at once when nothing is there, taking what a pending read has not seen", async () => {
  const pipe = new FakePipe();
  const { made, bytes, running } = pump(pipe);
  pipe.push(Buffer.from("one "));
  await new Promise(setImmediate);
  pipe.pushSilently(Buffer.from("two"));
  made.hurry();
  await made.finished;
  assert.equal(bytes().toString(), "one two");
  pipe.push(Buffer.from("after the end"));
  pipe.end();
  await running;
  assert.equal(bytes().toString(), "one two", "later output is read and dropped");
});

test("hurry() ends although somebody goes on writing for ever", async () => {
  const pipe = new FakePipe();
  const { made, bytes } = pump(pipe);
  const writing = setInterval(() => pipe.push(Buffer.alloc(CHUNK_BYTES)), 0);
  const refill = pipe.read.bind(pipe);
  pipe.read = () => {
    pipe.push(Buffer.alloc(CHUNK_BYTES));
    return refill();
  };
  try {
    made.hurry();
    await made.finished;
    assert.ok(bytes().length <= 4 * 1024 * 1024);
  } finally {
    clearInterval(writing);
  }
});

test("hurry() does not cut off a slow reader", async () => {
  const pipe = new FakePipe();
  const received: Uint8Array[] = [];
  const gate = Promise.withResolvers<void>();
  const made = new OutputPump(
    pipe,
    async (chunks) => {
      await gate.promise;
      received.push(...chunks);
    },
    true,
  );
  void made.run();
  for (let i = 0; i < 5; i++) pipe.push(Buffer.from(`${i}`));
  await new Promise(setImmediate);
  made.hurry();
  await new Promise(setImmediate);
  assert.deepEqual(received, []);
  gate.resolve();
  await made.finished;
  assert.equal(Buffer.concat(received).toString(), "01234");
});

test("a source that is not to be kept is closed at the end", async () => {
  const pipe = new FakePipe();
  const { made } = pump(pipe, false);
  await new Promise(setImmediate);
  made.hurry();
  await made.finished;
  assert.ok(pipe.closed);
});
