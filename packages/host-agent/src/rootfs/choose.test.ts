import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { newSandboxId } from "@wrenn/core";
import { listeningLog } from "../testing/fake-host.ts";
import { type ChooseRootfs, chooseRootfs } from "./choose.ts";

/** None of them is anybody's: what is tried in it is removed again. */
const BLOCK = 63;

describe("chooseRootfs", () => {
  let dataDir: string;
  let life: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "wrenn-rootfs-"));
    life = join(dataDir, "sandboxes", newSandboxId(), "vm-1");
    await mkdir(life, { recursive: true });
  });
  afterEach(() => rm(dataDir, { recursive: true }));

  const choose = (setting: ChooseRootfs["setting"]) =>
    chooseRootfs({ setting, block: BLOCK, dataDir, blankDir: dataDir, log: listeningLog().log });

  it("goes on with files where a life has them, whatever else would work", async () => {
    await writeFile(join(life, "root-0"), "");
    assert.equal((await choose("auto")).name, "qcow2");
    assert.equal((await choose("qcow2")).name, "qcow2");
    await assert.rejects(choose("dm"), { code: "unavailable", message: /start with WRENN_ROOTFS=qcow2/ });
    assert.deepEqual(await readdir(life), ["root-0"]);
  });

  it("does without no device that a life has", async () => {
    await mkdir(`${life}.disk`);
    await assert.rejects(choose("qcow2"), { code: "unavailable", message: /start with WRENN_ROOTFS=dm/ });
    const chosen = await choose("auto").then(
      ({ name }) => name,
      (reason: Error) => reason.message,
    );
    assert.match(chosen, /^dm$|have disks on the device mapper, and it does not work now/);
  });

  it("takes files when asked to and nothing speaks against it", async () => {
    assert.equal((await choose("qcow2")).name, "qcow2");
  });
});
