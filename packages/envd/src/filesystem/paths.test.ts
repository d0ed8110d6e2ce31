import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import fc from "fast-check";
import { resolvePath, workingDirectory } from "./paths.ts";

const user = { home: "/home/user" };

test("resolvePath() knows home, the working directory and the root", () => {
  const resolve = (path: string, workdir?: string) => resolvePath(path, user, workdir);
  assert.equal(resolve("~"), "/home/user");
  assert.equal(resolve("~/a/../b"), "/home/user/b");
  assert.equal(resolve("~other"), "/home/user/~other");
  assert.equal(resolve("a"), "/home/user/a");
  assert.equal(resolve("a", "/srv"), "/srv/a");
  assert.equal(resolve("/a//b/./c/"), "/a/b/c");
  assert.equal(resolve("../../../.."), "/");
});

test("resolvePath() yields an absolute path without dots, or refuses", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(fc.constantFrom("..", ".", "a", "", "~", "\0")).map((p) => p.join("/")),
      ),
      (path) => {
        try {
          const resolved = resolvePath(path, user, undefined);
          assert.ok(resolved.startsWith("/"));
          assert.ok(!resolved.split("/").some((part) => part === ".." || part === "."));
        } catch (error) {
          assert.ok(
            error instanceof WrennError && error.code === "invalid_argument" && error.field === "path",
          );
          assert.ok(path === "" || path.includes("\0"));
        }
      },
    ),
  );
});

test("workingDirectory() falls back to the root only when nothing was asked for", () => {
  assert.equal(workingDirectory("/no/such", user, undefined), "/no/such");
  assert.equal(workingDirectory(undefined, { home: "/no/such" }, undefined), "/");
  assert.equal(workingDirectory("", { home: "/" }, "/tmp"), "/tmp");
});
