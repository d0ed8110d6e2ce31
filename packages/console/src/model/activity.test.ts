import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ActivityLog } from "./activity.ts";
import { type Fetch, recordingFetch } from "./recording-fetch.ts";

const done = { ok: true, result: "200", detail: "", ms: 1, requestId: undefined };

describe("ActivityLog", () => {
  it("keeps what was done when there is much reading", () => {
    let changes = 0;
    const log = new ActivityLog(() => changes++);
    log.begin({ method: "POST", path: "/v1/sandboxes", isRead: false })(done);
    for (let i = 0; i < 500; i++) log.begin({ method: "GET", path: "/health", isRead: true })(done);
    assert.equal(changes, 1002);
    assert.deepEqual(
      log.entries(false).map(({ method }) => method),
      ["POST"],
    );
    assert.equal(log.entries(true).length, 101);
    log.clear();
    assert.equal(log.entries(true).length, 0);
  });

  it("shows a read that failed with what was done, newest first", () => {
    const log = new ActivityLog(() => undefined);
    log.begin({ method: "POST", path: "/1", isRead: false })(done);
    log.begin({ method: "GET", path: "/2", isRead: true })({ ...done, ok: false });
    log.begin({ method: "DELETE", path: "/3", isRead: false });
    assert.deepEqual(
      log.entries(false).map(({ path }) => path),
      ["/3", "/2", "/1"],
    );
  });
});

describe("recordingFetch()", () => {
  const record = async (fetch: Fetch, method = "POST", path = "/v1/sandboxes?limit=1") => {
    const log = new ActivityLog(() => undefined);
    const call = recordingFetch(log, fetch)(`http://service${path}`, { method });
    const outcome = await call.catch((error: unknown) => error);
    const [entry] = log.entries(true);
    assert.ok(entry?.outcome);
    return { entry, recorded: entry.outcome, outcome };
  };

  it("writes down method, path, status and request id", async () => {
    const response = new Response("{}", { status: 201, headers: { "x-request-id": "r-1" } });
    const { entry, recorded, outcome } = await record(async () => response);
    assert.equal(outcome, response);
    assert.deepEqual([entry.method, entry.path, entry.isRead], ["POST", "/v1/sandboxes?limit=1", false]);
    assert.deepEqual(
      { ...recorded, ms: 0 },
      { ok: true, result: "201", detail: "", ms: 0, requestId: "r-1" },
    );
  });

  it("writes down what the service said, and leaves the answer to the caller", async () => {
    const body = { error: { code: "invalid_state", message: "it is paused" } };
    const { recorded, outcome } = await record(async () => Response.json(body, { status: 409 }));
    assert.deepEqual(
      [recorded.ok, recorded.result, recorded.detail],
      [false, "409 invalid_state", "it is paused"],
    );
    assert.deepEqual(await (outcome as Response).json(), body);
  });

  it("bears an answer from something else", async () => {
    const { recorded } = await record(async () => new Response("<html>", { status: 502 }));
    assert.deepEqual([recorded.result, recorded.detail], ["502", "the answer did not come from this API"]);
  });

  it("tells a broken connection from a call that was given up", async () => {
    const broken = await record(async () => {
      throw new TypeError("Failed to fetch");
    });
    assert.deepEqual([broken.recorded.ok, broken.recorded.result], [false, "no connection"]);
    assert.ok(broken.outcome instanceof TypeError);
    const givenUp = await record(async () => {
      throw new DOMException("aborted", "AbortError");
    });
    assert.deepEqual([givenUp.recorded.ok, givenUp.recorded.result], [true, "given up"]);
  });

  it("counts tickets as reading: their streams have entries of their own", async () => {
    const answer = async () => new Response("{}");
    assert.equal((await record(answer, "POST", "/v1/sandboxes/sb-1/exec/ticket")).entry.isRead, true);
    assert.equal((await record(answer, "GET", "/health")).entry.isRead, true);
    assert.equal((await record(answer, "DELETE", "/v1/sandboxes/sb-1")).entry.isRead, false);
  });
});
