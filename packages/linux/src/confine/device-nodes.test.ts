import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { describe, it } from "node:test";
import { planBlock } from "../plan/plan.ts";
import { makeDeviceNodes, removeDeviceNodes, usersWithDeviceNodes } from "./device-nodes.ts";

describe("device nodes", () => {
  const uid = planBlock(251).vmmUids.last;
  const tun = { from: "/dev/net/tun", to: "/dev/net/tun" };

  it("are the same device, open to one user alone, and go without a trace", async () => {
    const before = usersWithDeviceNodes();
    const binds = await makeDeviceNodes(uid, [tun, { from: "/dev/null", to: "/img/disk" }]);
    const at = binds.map((bind) => (typeof bind === "string" ? bind : bind.to));
    assert.deepEqual(at, ["/dev/net/tun", "/img/disk"]);
    const made = binds.map((bind) => (typeof bind === "string" ? bind : bind.from));
    assert.deepEqual(
      made.map((path) => {
        const { mode, uid: owner, rdev } = statSync(path);
        return [mode & 0o777, owner, rdev];
      }),
      ["/dev/net/tun", "/dev/null"].map((path) => [0o600, uid, statSync(path).rdev]),
    );
    removeDeviceNodes(uid);
    removeDeviceNodes(uid);
    assert.deepEqual(usersWithDeviceNodes(), before);
    assert.ok(made.every((path) => !existsSync(path)));
  });

  it("are not made for what is no device", async () => {
    await assert.rejects(makeDeviceNodes(uid, [{ ...tun, from: "/dev/absent" }]), { code: "unavailable" });
    await assert.rejects(makeDeviceNodes(uid, [{ ...tun, from: "/etc/passwd" }]), { code: "unavailable" });
    removeDeviceNodes(uid);
  });
});
