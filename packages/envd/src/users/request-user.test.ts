import assert from "node:assert/strict";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import fc from "fast-check";
import { AgentState } from "../agent/state.ts";
import { basicUser, requestUser } from "./request-user.ts";
import { UserDirectory } from "./user-directory.ts";

const unauthorized = (error: unknown) => error instanceof WrennError && error.code === "unauthorized";

test("basicUser() finds the name that was encoded, whatever the password", () => {
  const name = fc.string({ unit: "grapheme" }).filter((n) => !n.includes(":"));
  fc.assert(
    fc.property(name, fc.string(), (user, password) => {
      const header = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
      assert.equal(basicUser(header), user === "" ? undefined : user);
    }),
  );
});

test("basicUser() refuses other schemes", () => {
  assert.equal(basicUser(null), undefined);
  for (const header of ["", "Bearer x", "Basic", "Basic a b", "Basic ü"]) {
    assert.throws(() => basicUser(header), unauthorized, header);
  }
});

test("requestUser() falls back from the named user to the template's and to root", () => {
  const dir = mkdtempSync(join(tmpdir(), "envd-users-"));
  try {
    const paths = { passwd: join(dir, "passwd"), group: join(dir, "group") };
    const users = new UserDirectory(paths);
    const state = new AgentState();
    const name = (header?: string) =>
      requestUser(
        new Headers(header === undefined ? {} : { authorization: `Basic ${btoa(header)}` }),
        users,
        state,
      ).name;
    assert.equal(name(), "root", "no account files at all");
    writeFileSync(paths.passwd, "user:x:1000:1000::/home/user:\n");
    assert.equal(name(), "user");
    writeFileSync(paths.passwd, "user:x:1000:1000::/home/user:\nada:x:1001:1001::/home/ada:\n");
    utimesSync(paths.passwd, 1, 1);
    state.defaultUser = "ada";
    assert.equal(name(), "ada");
    assert.equal(name("user:"), "user");
    assert.equal(name("root:"), "root");
    state.defaultUser = "nobody-here";
    assert.equal(name(), "root");
    assert.throws(() => name("nobody-here:"), unauthorized);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
