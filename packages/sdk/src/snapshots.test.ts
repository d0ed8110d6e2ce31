import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { answer, bodyOf, testService } from "./test-service.ts";

/** What a call of the client sends: method, path with query, and body. */
async function sent(
  call: (client: ReturnType<Awaited<ReturnType<typeof testService>>["client"]>) => Promise<unknown>,
) {
  let seen: unknown;
  await using service = await testService({
    http: async (request, response) => {
      const body = (await bodyOf(request)).toString();
      seen = [request.method, request.url, body === "" ? undefined : JSON.parse(body)];
      answer(response, request.method === "DELETE" ? 204 : 200, request.method === "DELETE" ? undefined : []);
    },
  });
  await call(service.client());
  return seen;
}

describe("saving and copying sandboxes", () => {
  it("sends what the API documents", async () => {
    const path = "/v1/sandboxes/sb-1";
    assert.deepEqual(await sent((client) => client.sandboxes.pause("sb-1")), [
      "POST",
      `${path}/pause`,
      undefined,
    ]);
    assert.deepEqual(await sent((client) => client.sandboxes.resume("sb-1")), ["POST", `${path}/resume`, {}]);
    assert.deepEqual(await sent((client) => client.sandboxes.resume("sb-1", { start: "cold" })), [
      "POST",
      `${path}/resume`,
      { start: "cold" },
    ]);
    assert.deepEqual(
      await sent((client) => client.sandboxes.fork("sb-1", { count: 2, metadata: { a: "b" } })),
      ["POST", `${path}/fork`, { count: 2, metadata: { a: "b" } }],
    );
    assert.deepEqual(await sent((client) => client.sandboxes.restore("sb-1", { snapshot: "warm" })), [
      "POST",
      `${path}/restore`,
      { snapshot: "warm" },
    ]);
    assert.deepEqual(
      await sent((client) =>
        client.snapshots.create({ sandbox_id: "sb-1", leave: "paused" }, { overwrite: true }),
      ),
      ["POST", "/v1/snapshots?overwrite=true", { sandbox_id: "sb-1", leave: "paused" }],
    );
    assert.deepEqual(await sent((client) => client.snapshots.delete("a b")), [
      "DELETE",
      "/v1/snapshots/a%20b",
      undefined,
    ]);
    assert.deepEqual(await sent((client) => client.storage()), ["GET", "/v1/storage", undefined]);
  });
});
