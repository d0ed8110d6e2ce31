import assert from "node:assert/strict";
import { test } from "node:test";
import { isForClients } from "./agent-routes.ts";

test("clients reach files, health, figures and the two services of the agent", () => {
  for (const target of [
    "/health",
    "/files?path=/a&username=user",
    "/files/compose",
    "/envs",
    "/metrics",
    "/process.Process/Start",
    "/filesystem.Filesystem/WatchDir",
  ]) {
    assert.ok(isForClients(target), target);
  }
});

test("they do not reach what the platform runs a guest with, however it is spelled", () => {
  for (const name of [
    "init",
    "quiesce",
    "unquiesce",
    "freeze",
    "unfreeze",
    "collapse",
    "fsfreeze",
    "fsthaw",
  ]) {
    for (const target of [
      `/${name}`,
      `//${name}`,
      `/${name}/`,
      `/${name}?x=/health`,
      `/files/../${name}`,
      `/%69nit`,
      `http://localhost/${name}`,
      `/process.Process/../../${name}`,
    ]) {
      assert.ok(!isForClients(target), target);
    }
  }
});
