import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, it } from "node:test";
import { pino } from "pino";
import type { SandboxManager } from "../sandbox/manager.ts";
import { rawRoutes } from "./raw.ts";

describe("rawRoutes()", () => {
  const route = rawRoutes({} as SandboxManager, pino({ enabled: false }));

  for (const url of [
    "/",
    "//",
    "//a:b",
    "*",
    "http://[",
    "/%",
    "/raw/v1/sandboxes//files",
    "/raw/v1/sandboxes/a/b/files",
  ]) {
    it(`leaves ${url} to others`, () => {
      assert.equal(route({ url } as IncomingMessage, {} as ServerResponse), false);
    });
  }
});
