import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { isExpired, readSignedUrl, signatureOf } from "./signature.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("base64");
const URL_OF_VECTOR = { path: "hello.txt", operation: "read", user: "user", expiration: undefined } as const;

describe("signed URLs", () => {
  it("have the signature that E2B's clients compute", () => {
    assert.equal(
      signatureOf(URL_OF_VECTOR, "0tQG31xiMp0IOQfaz9dcwi72L1CPo8e0", sha256),
      "v1_gUtH/s9YCJWgCizjfUxuWfhFE4QSydOWEIIvfLwDr6E",
    );
  });

  it("are for one path, purpose, user and time", () => {
    const of = (change: object) => signatureOf({ ...URL_OF_VECTOR, ...change }, "token", sha256);
    const all = [
      {},
      { path: "/hello.txt" },
      { operation: "write" },
      { user: "" },
      { expiration: "1" },
      { expiration: "2" },
    ];
    assert.equal(new Set(all.map(of)).size, all.length);
  });

  it("are read from the query as it is", () => {
    const url = "http://x/files?path=%2Fa%20b&username=u&signature=v1_%2B&signature_expiration=12";
    assert.deepEqual(readSignedUrl(new Request(url, { method: "POST" })), {
      signature: "v1_+",
      path: "/a b",
      operation: "write",
      user: "u",
      expiration: "12",
    });
    assert.equal(readSignedUrl(new Request("http://x/files?path=a")), undefined);
  });

  it("expire", () => {
    const at = (expiration: string | undefined) => isExpired({ ...URL_OF_VECTOR, expiration }, 100_000);
    assert.deepEqual([undefined, "101", "100", "99", "", "-1", "1e9", "101.5"].map(at), [
      false,
      false,
      true,
      true,
      true,
      true,
      true,
      true,
    ]);
  });
});
