import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { StopRequests } from "./stop-requests.ts";

describe("StopRequests", () => {
  it("takes the signals of a terminal that closes for one", () => {
    const requests = new StopRequests();
    assert.equal(requests.receive("SIGHUP", 5), "stop");
    assert.equal(requests.receive("SIGHUP", 7), undefined);
    assert.equal(requests.receive("SIGTERM", 300), undefined);
    assert.equal(requests.receive("SIGHUP", 20_000), undefined);
  });

  it("hurries for who asks again after a while", () => {
    const requests = new StopRequests();
    assert.equal(requests.receive("SIGINT", 5), "stop");
    assert.equal(requests.receive("SIGINT", 1_004), undefined);
    assert.equal(requests.receive("SIGINT", 1_005), "hurry");
    assert.equal(requests.receive("SIGTERM", 1_200), "hurry");
  });
});
