import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseGroup, parsePasswd } from "./account-files.ts";

const name = fc.stringMatching(/^[a-z_][a-z0-9_-]{0,30}$/);
const id = fc.nat({ max: 0xffff_fffe });

test("parsePasswd() reads what it was written from", () => {
  const account = fc.record(
    { name, uid: id, gid: id, home: fc.stringMatching(/^\/[a-z/]*$/) },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.uniqueArray(account, { selector: (a) => a.name }), (accounts) => {
      const text = accounts
        .map((a) => `${a.name}:x:${a.uid}:${a.gid}:Some, One:${a.home}:/bin/sh\n`)
        .join("");
      assert.deepEqual([...parsePasswd(text).values()], accounts);
    }),
  );
});

test("parsePasswd() never fails, and yields only usable accounts", () => {
  const line = fc.array(fc.oneof(fc.string(), fc.constant("0"), fc.constant("4294967295")), { maxLength: 8 });
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      for (const account of parsePasswd(lines.map((fields) => fields.join(":")).join("\n")).values()) {
        assert.ok(account.name !== "" && account.home.startsWith("/"));
        for (const n of [account.uid, account.gid])
          assert.ok(Number.isInteger(n) && n >= 0 && n < 0xffff_ffff);
      }
    }),
  );
});

test("parsePasswd() takes the first of a name, as the C library does", () => {
  const accounts = parsePasswd("a:x:1:2::/first:\n# comment\n+nis\na:x:0:0::/second:\nb:x:-1:2::/:\n");
  assert.deepEqual([...accounts], [["a", { name: "a", uid: 1, gid: 2, home: "/first" }]]);
});

test("parseGroup() reads what it was written from", () => {
  const group = fc.record({ name, gid: id, members: fc.array(name) }, { noNullPrototype: true });
  fc.assert(
    fc.property(fc.array(group), (groups) => {
      const text = groups.map((g) => `${g.name}:x:${g.gid}:${g.members.join(",")}`).join("\n");
      assert.deepEqual(parseGroup(text), groups);
    }),
  );
});
