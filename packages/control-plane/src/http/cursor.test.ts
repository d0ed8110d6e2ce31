import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import fc from "fast-check";
import { decodeCursor, encodeCursor } from "./cursor.ts";

test("decodeCursor() gives back what encodeCursor() was given", () => {
  const id = fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4e12 }), id, (createdAt, name) => {
      const cursor = encodeCursor({ createdAt, id: name });
      assert.match(cursor, /^[A-Za-z0-9_-]{1,512}$/, "fits the schema");
      assert.deepEqual(decodeCursor(cursor), { createdAt, id: name });
    }),
  );
});

test("decodeCursor() accepts nothing that encodeCursor() did not make", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9_-]{1,60}$/), (text) => {
      try {
        assert.equal(encodeCursor(decodeCursor(text)), text);
      } catch (reason) {
        assert.ok(reason instanceof WrennError && reason.field === "next_token");
      }
    }),
  );
});
