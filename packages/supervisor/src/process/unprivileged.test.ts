import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { run } from "@wrenn/linux";
import { confinedCommand } from "./unprivileged.ts";

const UID = 1_999_997_000;
let directory: string;

before(() => {
  // A directory that only root may enter, with one below it that belongs to the user.
  directory = mkdtempSync(join(tmpdir(), "wrenn-unprivileged-"));
  chmodSync(directory, 0o700);
  mkdirSync(join(directory, "own"));
  chownSync(join(directory, "own"), UID, UID);
  writeFileSync(join(directory, "secret"), "not for everybody");
});
after(() => rmSync(directory, { recursive: true }));

async function inside(command: string[]): Promise<string> {
  const argv = confinedCommand({ uid: UID, gid: UID, read: [], write: [join(directory, "own")], command });
  return (await run(argv, { timeoutMs: 10_000 })).stdout;
}

describe("a daemon that is not root", () => {
  it("has its user, no other group and no capability", async () => {
    const status = await inside(["cat", "/proc/self/status"]);
    assert.match(status, new RegExp(`^Uid:(\t${UID}){4}$`, "m"));
    assert.match(status, /^Groups:\s*$/m);
    for (const set of ["Inh", "Prm", "Eff", "Bnd", "Amb"])
      assert.match(status, new RegExp(`^Cap${set}:\t0{16}$`, "m"));
    assert.match(status, /^NoNewPrivs:\t1$/m);
  });

  it("reaches what is bound below a private directory, and nothing beside it", async () => {
    await inside(["touch", join(directory, "own/made")]);
    assert.equal(await inside(["ls", directory]), "own\n");
    await assert.rejects(inside(["touch", join(directory, "beside")]), /Read-only|Permission denied/);
  });

  it("sees no process of the host", async () => {
    const pids = (await inside(["ls", "/proc"])).split("\n").filter((name) => /^\d+$/.test(name));
    assert.deepEqual(pids, ["1", "2"]);
  });
});
