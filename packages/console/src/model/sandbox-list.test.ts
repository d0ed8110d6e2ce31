import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Sandbox } from "@wrenn/sdk";
import { matches, SandboxList } from "./sandbox-list.ts";

const sandbox = (id: string, rest: Partial<Sandbox> = {}): Sandbox => ({
  id,
  status: "running",
  template: "minimal",
  vcpus: 1,
  memory_mb: 512,
  disk_mb: 10240,
  timeout_sec: 300,
  on_timeout: "destroy",
  ttl_mode: "inactivity",
  host_id: "local",
  isolation: "tcg",
  metadata: {},
  created_at: "2026-11-26T10:00:00.000Z",
  last_updated: "2026-11-26T10:00:00.000Z",
  ...rest,
});

describe("SandboxList", () => {
  it("follows lists, newest first", () => {
    const list = new SandboxList();
    list.beginListing()([sandbox("a"), sandbox("b", { created_at: "2026-11-26T11:00:00.000Z" })]);
    assert.deepEqual(
      list.all().map(({ id }) => id),
      ["b", "a"],
    );
    list.beginListing()([sandbox("a", { status: "paused" })]);
    assert.deepEqual(
      list.all().map(({ id, status }) => [id, status]),
      [["a", "paused"]],
    );
  });

  it("believes an answer more than a list that was asked for before it", () => {
    const list = new SandboxList();
    list.beginListing()([sandbox("a"), sandbox("b")]);
    const take = list.beginListing();
    list.put(sandbox("a", { status: "paused" }));
    list.put(sandbox("new"));
    list.markDeleted("b", new Date("2026-11-26T12:00:00.000Z"));
    take([sandbox("a"), sandbox("b")]);
    assert.equal(list.get("a")?.deleted_at, undefined);
    assert.equal(list.get("b")?.deleted_at, "2026-11-26T12:00:00.000Z");
    const statuses = Object.fromEntries(list.all().map(({ id, status }) => [id, status]));
    assert.deepEqual(statuses, { a: "paused", new: "running", b: "stopped" });
    list.beginListing()([sandbox("a")]);
    assert.deepEqual(
      list.all().map(({ id, status }) => [id, status]),
      [["a", "running"]],
    );
  });

  it("does not invent what it never saw", () => {
    const list = new SandboxList();
    list.markDeleted("unknown", new Date());
    assert.deepEqual(list.all(), []);
  });
});

describe("matches()", () => {
  it("looks for every word in id, template, status, isolation and labels", () => {
    const one = sandbox("sb-1", { template: "Python", metadata: { owner: "build-42" } });
    for (const filter of ["", "sb-1", "python RUNNING", "owner=build", "tcg 42 "]) {
      assert.equal(matches(one, filter), true, filter);
    }
    for (const filter of ["sb-2", "python paused"]) assert.equal(matches(one, filter), false, filter);
  });
});
