import assert from "node:assert/strict";
import { test } from "node:test";
import { assertEgress, egressVerdicts, isClosed, isIpv4Prefix } from "./egress.ts";

test("isIpv4Prefix() takes addresses and prefixes, and nothing that could be another rule", () => {
  for (const good of ["0.0.0.0/0", "203.0.113.7", "203.0.113.0/24", "1.2.3.4/32"])
    assert.ok(isIpv4Prefix(good), good);
  for (const bad of [
    "",
    "1.2.3",
    "1.2.3.4/33",
    "1.2.3.4/24/1",
    "1.2.3.4 }",
    "example.com",
    "::1",
    "1.2.3.4/",
    "01.2.3.4",
  ]) {
    assert.ok(!isIpv4Prefix(bad), bad);
  }
});

test("assertEgress() names what is wrong", () => {
  assertEgress({ allow: ["203.0.113.0/24"], deny: ["0.0.0.0/0"] });
  assert.throws(() => assertEgress({ allow: [], deny: ["x"] }), { code: "invalid_argument", field: "deny" });
  const many = Array.from({ length: 257 }, () => "1.2.3.4");
  assert.throws(() => assertEgress({ allow: many, deny: [] }), { field: "allow" });
});

test("what is allowed beats what is denied", () => {
  assert.deepEqual(egressVerdicts({ allow: [], deny: [] }), ["accept"]);
  assert.deepEqual(egressVerdicts({ allow: ["1.2.3.4"], deny: ["0.0.0.0/0"] }), [
    "ip daddr @allowed accept",
    "drop",
  ]);
  assert.deepEqual(egressVerdicts({ allow: [], deny: ["1.2.3.0/24"] }), ["ip daddr @denied drop", "accept"]);
  assert.deepEqual(egressVerdicts({ allow: ["0.0.0.0/0"], deny: ["0.0.0.0/0"] }), ["accept"]);
  assert.ok(isClosed({ allow: [], deny: ["0.0.0.0/0"] }));
  assert.ok(!isClosed({ allow: ["1.2.3.4"], deny: ["0.0.0.0/0"] }));
});
