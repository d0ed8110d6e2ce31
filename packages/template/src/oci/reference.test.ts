import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseReference, pinned } from "./reference.ts";

const DIGEST = `sha256:${"0".repeat(64)}`;

test("names mean what they mean everywhere", () => {
  for (const [text, registry, repository, version] of [
    ["debian", "docker.io", "library/debian", "latest"],
    ["debian:13", "docker.io", "library/debian", "13"],
    ["user/app:v1", "docker.io", "user/app", "v1"],
    ["localhost/app", "localhost", "app", "latest"],
    ["registry.example:5000/a/b:1.2", "registry.example:5000", "a/b", "1.2"],
    [`registry.example/a@${DIGEST}`, "registry.example", "a", DIGEST],
    [`registry.example/a:1@${DIGEST}`, "registry.example", "a", DIGEST],
  ] as const) {
    assert.deepEqual(parseReference(text), { kind: "registry", registry, repository, version }, text);
  }
  assert.deepEqual(parseReference("oci:images/app:v1"), {
    kind: "layout",
    path: "images/app",
    version: "v1",
  });
  assert.deepEqual(parseReference("oci:app"), { kind: "layout", path: "app", version: undefined });
});

test("what is no name is refused", () => {
  for (const text of [
    "",
    "A",
    "a b",
    "a:",
    "a@sha256:0",
    "a@md5:0",
    "http://a/b",
    "a//b",
    "../a",
    "oci:",
    "oci:/etc",
    "oci:../x",
    "oci:a/../b",
    "oci:a/./b",
    "oci:a//b",
    "oci:a:b c",
    "a".repeat(2000),
  ]) {
    assert.throws(() => parseReference(text), { code: "invalid_argument" }, text);
  }
});

test("whatever is taken has parts that are safe in addresses and paths, and can be named by its digest", () => {
  const piece = fc.constantFrom(
    "a",
    "b.c",
    ":",
    "@",
    "/",
    "..",
    DIGEST,
    "oci:",
    "%2e",
    "?",
    "#",
    "1",
    "_",
    "-",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece).map((pieces) => pieces.join("")),
      ),
      (text) => {
        let reference: ReturnType<typeof parseReference>;
        try {
          reference = parseReference(text);
        } catch (reason) {
          assert.equal((reason as { code: string }).code, "invalid_argument");
          return;
        }
        const name = reference.kind === "layout" ? reference.path : reference.repository;
        assert.ok(!name.split("/").some((part) => part === "" || part === "." || part === ".."), text);
        assert.doesNotMatch(name, /[?#%:@\s]/);
        const again = parseReference(pinned(reference, DIGEST));
        assert.deepEqual(again, { ...reference, version: DIGEST });
      },
    ),
  );
});
