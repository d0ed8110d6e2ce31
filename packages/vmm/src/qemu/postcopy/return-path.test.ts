import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Answer, ReturnPath } from "./return-path.ts";

function message(type: number, data: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(data.length, 2);
  return Buffer.concat([head, data]);
}

function place(start: number, bytes: number): Buffer {
  const data = Buffer.alloc(12);
  data.writeBigUInt64BE(BigInt(start));
  data.writeUInt32BE(bytes, 8);
  return data;
}

const named = (name: string) => Buffer.concat([Buffer.from([name.length]), Buffer.from(name)]);
const u32 = (value: number) => Buffer.from([0, 0, 0, value]);

const STREAM = Buffer.concat([
  message(2, u32(1)),
  message(3, Buffer.concat([place(8192, 4096), named("m0")])),
  message(4, place(2 ** 40, 8192)),
  message(3, Buffer.concat([place(0, 4096), named("pc.bios")])),
  message(1, u32(0)),
]);
const ANSWERS: Answer[] = [
  { kind: "pong", value: 1 },
  { kind: "pages", block: "m0", start: 8192, bytes: 4096 },
  { kind: "pages", block: "m0", start: 2 ** 40, bytes: 8192 },
  { kind: "pages", block: "pc.bios", start: 0, bytes: 4096 },
  { kind: "shut", value: 0 },
];

function decode(chunks: readonly Buffer[]): Answer[] {
  const path = new ReturnPath();
  return chunks.flatMap((chunk) => [...path.receive(chunk)]);
}

describe("ReturnPath", () => {
  it("finds the messages wherever the stream is cut", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(STREAM.length), { maxLength: 8 }), (places) => {
        const cuts = [0, ...places.toSorted((a, b) => a - b), STREAM.length];
        const chunks = cuts.slice(1).map((to, i) => STREAM.subarray(cuts[i], to));
        assert.deepEqual(decode(chunks), ANSWERS);
      }),
    );
  });

  it("takes nothing else for a message", () => {
    const wrong = [
      message(0, Buffer.alloc(0)),
      message(5, Buffer.alloc(4)),
      message(2, Buffer.alloc(5)),
      message(1, Buffer.alloc(0)),
      message(4, place(0, 4096)),
      message(3, place(0, 4096)),
      message(3, Buffer.concat([place(1, 4096), named("m0")])),
      message(3, Buffer.concat([place(0, 0), named("m0")])),
      message(3, Buffer.concat([place(0, 100), named("m0")])),
      message(3, Buffer.concat([place(0, 4096), Buffer.from([200]), Buffer.from("m0")])),
      Buffer.concat([Buffer.from([0, 3, 0xff, 0xff])]),
    ];
    for (const bytes of wrong)
      assert.throws(() => decode([bytes]), { code: "internal" }, bytes.toString("hex"));
  });

  it("never fails with anything but its own error, and keeps no more than one message", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 20 }), (chunks) => {
        try {
          decode(chunks.map((chunk) => Buffer.from(chunk)));
        } catch (reason) {
          assert.equal((reason as { code?: string }).code, "internal");
        }
      }),
    );
  });
});
