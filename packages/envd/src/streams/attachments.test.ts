import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";
import { WrennError } from "@wrenn/core";
import { Attachments } from "./attachments.ts";

const PAUSING = new WrennError("unavailable", "pausing");

function attached(attachments: Attachments) {
  const close = mock.fn();
  const onLeave = mock.fn();
  const leave = attachments.attach({ close }, onLeave);
  return { leave, closed: () => close.mock.callCount(), left: () => onLeave.mock.callCount() };
}

describe("Attachments", () => {
  it("takes leaving for what it is, once", () => {
    const one = attached(new Attachments());
    one.leave();
    one.leave();
    assert.deepEqual([one.left(), one.closed()], [1, 0]);
  });

  it("during a hold leaving has no consequence before the release", () => {
    const attachments = new Attachments();
    const one = attached(attachments);
    const other = attached(attachments);
    attachments.hold();
    one.leave();
    assert.equal(one.left(), 0);
    attachments.release();
    assert.deepEqual([one.left(), other.left()], [1, 0]);
    other.leave();
    assert.equal(other.left(), 1);
  });

  it("what is detached is told why, and stays without consequence; also what was lost before", () => {
    const attachments = new Attachments();
    const lost = attached(attachments);
    const open = attached(attachments);
    attachments.hold();
    lost.leave();
    attachments.detachAll(PAUSING);
    open.leave();
    attachments.release();
    assert.deepEqual([lost.left(), lost.closed()], [0, 0]);
    assert.deepEqual([open.left(), open.closed()], [0, 1]);
    const later = attached(attachments);
    later.leave();
    assert.equal(later.left(), 1);
  });

  it("a hold that nobody ends ends by itself, 30 s after it was last asked for", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const attachments = new Attachments();
    const one = attached(attachments);
    attachments.hold();
    one.leave();
    t.mock.timers.tick(20_000);
    attachments.hold();
    t.mock.timers.tick(29_999);
    assert.equal(one.left(), 0);
    t.mock.timers.tick(1);
    assert.equal(one.left(), 1);
  });
});
