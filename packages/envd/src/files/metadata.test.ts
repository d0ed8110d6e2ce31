import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WrennError } from "@wrenn/core";
import { metadataError, readMetadata } from "./metadata.ts";

const refused = { name: "WrennError", code: "invalid_argument", field: "metadata" };

describe("readMetadata()", () => {
  it("takes what has the prefix, in lower case", () => {
    const headers = new Headers({ "X-Metadata-Author": "me", "x-metadata-a.b_c": "", "X-Other": "no" });
    assert.deepEqual(readMetadata(headers), { author: "me", "a.b_c": "" });
  });

  it("refuses what could not be kept", () => {
    for (const [name, value] of [
      ["x-metadata-", "v"],
      [`x-metadata-${"k".repeat(247)}`, "v"],
      ["x-metadata-k", "v".repeat(4096)],
      ["x-metadata-k", "caf\u00e9"],
    ] as const) {
      assert.throws(() => readMetadata(new Headers({ [name]: value })), refused);
    }
    assert.equal(
      Object.keys(readMetadata(new Headers({ [`x-metadata-${"k".repeat(246)}`]: "v" }))).length,
      1,
    );
  });
});

describe("metadataError()", () => {
  it("tells a file system without attributes from one without room", () => {
    const failed = (code: string) => metadataError(Object.assign(new Error(), { code }), "/f");
    assert.deepEqual(
      ["ENOTSUP", "ENOSPC", "EIO"].map((code) => failed(code).code),
      ["invalid_argument", "too_large", "internal"],
    );
    assert.ok(failed("EIO") instanceof WrennError);
  });
});
