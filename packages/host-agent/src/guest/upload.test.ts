import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterEach, describe, it } from "node:test";
import { putFile, smallContent } from "./upload.ts";

const MIB = 1024 * 1024;

/** `size` bytes in pieces of 64 KiB. */
function stream(content: Buffer): Readable {
  const pieces: Buffer[] = [];
  for (let at = 0; at < content.length; at += 65_536) pieces.push(content.subarray(at, at + 65_536));
  return Readable.from(pieces, { objectMode: false });
}

describe("smallContent()", () => {
  const { signal } = new AbortController();

  it("has all of a small stream", async () => {
    for (const size of [0, 1, 200_000]) {
      const content = randomBytes(size);
      assert.ok((await smallContent(stream(content), signal))?.equals(content));
    }
  });

  it("leaves a large one as it was", async () => {
    for (const size of [256 * 1024, 3 * MIB]) {
      const content = randomBytes(size);
      const source = stream(content);
      assert.equal(await smallContent(source, signal), undefined);
      assert.ok((await buffer(source)).equals(content));
    }
  });

  it("throws what the stream fails with", async () => {
    async function* broken() {
      yield Buffer.alloc(10);
      throw new RangeError("gone");
    }
    await assert.rejects(smallContent(Readable.from(broken()), signal), new RangeError("gone"));
  });

  it("waits for a stream that stands still until it is given up, and not longer", async () => {
    const still = new Readable({ read() {} });
    const given = new AbortController();
    const reason = new Error("given up");
    const waiting = smallContent(still, given.signal);
    setImmediate(() => given.abort(reason));
    await assert.rejects(waiting, reason);
    await assert.rejects(smallContent(still, given.signal), reason);
    assert.equal(still.destroyed, false, "its connection may still carry an answer");
  });
});

describe("putFile()", () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  /** Puts a file where `answer` serves; the greeting is taken off. */
  async function put(
    answer: (caller: Socket, greeting: string) => unknown,
    content: Readable,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<boolean> {
    server = createServer({ allowHalfOpen: true }, (caller) => {
      caller.on("error", () => {});
      caller.once("data", (greeting) => answer(caller, greeting.toString()));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port: gatewayPort } = server.address() as AddressInfo;
    return await putFile({ host: "127.0.0.1", token: "t0", signal, gatewayPort }, '/a b/ü"', content);
  }

  it("sends the path, the content and the mark, and the end then", async () => {
    const content = randomBytes(3 * MIB);
    let seen: Buffer | undefined;
    let mark = "";
    const done = await put(async (caller, greeting) => {
      mark = /^t0 put ([0-9a-f]{32}) %2Fa%20b%2F%C3%BC%22\n$/.exec(greeting)?.[1] ?? "";
      caller.write("ok\n");
      seen = await buffer(caller);
      caller.end('{"status":200}\n');
    }, stream(content));
    assert.equal(done, true);
    assert.ok(seen?.equals(Buffer.concat([content, Buffer.from(mark, "hex")])));
  });

  it("is false, and has read nothing, where the agent does not know this way", async () => {
    const content = randomBytes(MIB);
    const source = stream(content);
    assert.equal(await put((caller) => caller.end(), source), false);
    assert.ok((await buffer(source)).equals(content));
  });

  it("is false, and has read nothing, where the agent has no gateway", async () => {
    const content = randomBytes(MIB);
    const source = stream(content);
    const closed = createServer().listen(0, "127.0.0.1");
    await once(closed, "listening");
    const { port: gatewayPort } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const { signal } = new AbortController();
    assert.equal(await putFile({ host: "127.0.0.1", token: "t0", signal, gatewayPort }, "/a", source), false);
    assert.ok((await buffer(source)).equals(content));
  });

  it("throws what the agent says, at once or in the midst of the content", async () => {
    const said = `${JSON.stringify({ status: 400, error_code: "not_a_file", message: "'/ü' is a directory" })}\n`;
    const expected = { code: "not_a_file", message: "'/ü' is a directory" };
    async function* endless() {
      for (;;) yield Buffer.alloc(65_536);
    }
    await assert.rejects(
      put((caller) => caller.end(said), Readable.from(endless())),
      expected,
    );
    server?.close();
    const early = (caller: Socket) => {
      caller.write("ok\n");
      caller.once("data", () => caller.end(said));
      caller.resume();
    };
    const source = Readable.from(endless());
    await assert.rejects(put(early, source), expected);
    await new Promise(setImmediate);
    assert.equal(source.destroyed, false, "it may be the request that is answered now");
    assert.equal(source.readableFlowing, false);
  });

  it("takes a message that names the longest path of the worst characters", async () => {
    const message = `write '${"\x01".repeat(4096)}': ENOSPC`;
    const full = async (caller: Socket) => {
      caller.write("ok\n");
      await buffer(caller);
      caller.end(`${JSON.stringify({ status: 507, error_code: "no_space", message })}\n`);
    };
    await assert.rejects(put(full, stream(randomBytes(MIB))), { code: "no_space", message });
  });

  it("takes whatever is no answer for a lost connection", async () => {
    for (const line of [
      "x\n",
      "null\n",
      '{"error_code":"nonsense","message":"m"}\n',
      `${"x".repeat(40_000)}`,
    ]) {
      const end = async (caller: Socket) => {
        caller.write("ok\n");
        await buffer(caller);
        caller.end(line);
      };
      await assert.rejects(put(end, stream(randomBytes(MIB))), { code: "guest_unreachable" });
      server?.close();
    }
  });

  it("sends no mark when the content breaks off, or when it is given up", async () => {
    async function* broken() {
      yield randomBytes(MIB);
      throw new RangeError("gone");
    }
    const received = Promise.withResolvers<number>();
    const count = (caller: Socket) => {
      let size = 0;
      caller.on("data", (chunk) => {
        size += chunk.length;
      });
      caller.once("close", () => received.resolve(size));
      caller.once("end", () => caller.end());
      caller.write("ok\n");
    };
    await assert.rejects(put(count, Readable.from(broken())), { code: "guest_unreachable" });
    assert.ok((await received.promise) <= MIB);
    server?.close();
    const given = new AbortController();
    const reason = new Error("given up");
    const stuck = put(
      (caller) => caller.write("ok\n", () => given.abort(reason)),
      stream(randomBytes(MIB)),
      given.signal,
    );
    await assert.rejects(stuck, reason);
  });
});
