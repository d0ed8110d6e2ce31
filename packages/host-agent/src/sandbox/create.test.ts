// A sandbox begins by booting where its clone fails, and a booted copy that cannot be cloned is made anew.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { WrennError } from "@wrenn/core";
import { confirming } from "../testing/fake-guest.ts";
import { FakeHost, GUEST_IMAGES, listeningLog, newSandbox, SHAPE } from "../testing/fake-host.ts";
import { NotingTemplates, TEMPLATE } from "../testing/noting-templates.ts";
import { beginNew, type CreateSpec } from "./create.ts";
import type { Running, Sandbox } from "./sandbox.ts";

let host: FakeHost;
let sandbox: Sandbox;
let warm: NotingTemplates;
beforeEach(async () => {
  host = await FakeHost.start();
  sandbox = newSandbox();
  warm = new NotingTemplates(host);
});
afterEach(() => host[Symbol.asyncDispose]());

async function begin(start: CreateSpec["start"] = "auto"): Promise<Running> {
  const templates = { registry: warm.registry, warm };
  const { log } = listeningLog();
  return await beginNew(host.context, templates, sandbox, { template: TEMPLATE, start }, log);
}

/** What was started, in order. */
const starts = () => host.events.filter((event) => event === "load" || event === "boot");

describe("beginNew()", () => {
  it("clones what can be cloned, and makes nothing", async () => {
    host.addSnapshot("copy");
    await begin();
    assert.deepEqual([starts(), sandbox.record.snapshot, warm.wanted], [["load"], "copy", []]);
  });

  const UNFIT = [
    ["of another virtual machine monitor", { vmm: { vmm: "qemu 6.1" } }],
    ["of another accelerator", { accelerator: "kvm" }],
    ["with another kernel", { images: { ...GUEST_IMAGES, kernel: "6".repeat(64) } }],
  ] as const;
  for (const [what, manifest] of UNFIT)
    it(`boots beside a copy ${what}, and has another one made`, async () => {
      host.addSnapshot("copy", manifest);
      await begin();
      assert.deepEqual([starts(), sandbox.record.snapshot, warm.wanted], [["boot"], null, ["minimal"]]);
    });

  it("boots when the copy is damaged, with nothing of the clone left, and has another one made", async () => {
    host.addSnapshot("copy");
    host.restoreFailure = new WrennError("internal", "the saved state of devices cannot be loaded");
    const running = await begin();
    assert.deepEqual(host.events, [
      ...["take slot", "load", "free memory image", "free disk", "free slot"],
      ...["take slot", "boot"],
    ]);
    const { snapshot, life, layers } = sandbox.record;
    assert.deepEqual(
      [snapshot, life?.base, layers],
      [null, null, [{ kind: "image", name: TEMPLATE.rootfs }]],
    );
    assert.deepEqual(warm.wanted, ["minimal"]);
    await running.scope.close();
  });

  it("boots when the clone does not confirm its init, and has another one made", async () => {
    host.addSnapshot("copy");
    // The copy's guest knows a token; one that has booted is told its own.
    host.guest.answer = ({ init, token }) => confirming(init, { reseeded: token !== "held" });
    await begin();
    assert.deepEqual([starts(), warm.wanted], [["load", "boot"], ["minimal"]]);
  });

  it("does not boot when a clone was asked for, and has another one made", async () => {
    host.addSnapshot("copy");
    host.restoreFailure = new WrennError("internal", "the saved state of devices cannot be loaded");
    await assert.rejects(begin("clone"), host.restoreFailure);
    assert.deepEqual([starts(), warm.wanted], [["load"], ["minimal"]]);
  });

  it("takes a full host or a deleted sandbox for no fault of the copy's", async () => {
    host.addSnapshot("copy");
    const held = host.context.capacity.reserve(SHAPE.memoryMb);
    await assert.rejects(begin(), { code: "capacity" });
    held();
    const reason = new WrennError("not_found", "deleted");
    sandbox.gone.abort(reason);
    await assert.rejects(begin(), reason);
    assert.deepEqual([starts(), warm.wanted], [[], []]);
  });
});
