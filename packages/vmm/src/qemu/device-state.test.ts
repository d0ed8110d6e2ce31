import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { saveDeviceState } from "./device-state.ts";
import type { QmpSession } from "./session.ts";

describe("saveDeviceState()", () => {
  let dir = "";
  let machine = "";
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "wrenn-state-"));
    machine = join(dir, "vm");
    mkdirSync(machine);
  });
  after(() => rm(dir, { recursive: true }));

  /** Saves while the VMM, which may do anything in its directory, answers as told. */
  function saveWith(answer: (file: string) => void): Promise<void> {
    const execute = () => Promise.resolve(answer(join(machine, "devices.state")));
    const session = { execute } as unknown as QmpSession;
    return saveDeviceState(session, { dir: machine, path: join(dir, "saved") });
  }

  it("carries the file out of the machine's directory", async () => {
    await saveWith((file) => writeFileSync(file, "QEVM and more"));
    assert.equal(readFileSync(join(dir, "saved"), "latin1"), "QEVM and more");
    assert.equal(statSync(join(dir, "saved")).mode & 0o777, 0o600);
    assert.equal(existsSync(join(machine, "devices.state")), false);
    await rm(join(dir, "saved"));
  });

  it("takes nothing else for it, and waits for nothing", async () => {
    const secret = join(dir, "secret");
    writeFileSync(secret, "QEVM secret");
    const answers: ((file: string) => void)[] = [
      (file) => symlinkSync(secret, file),
      (file) => execFileSync("mkfifo", [file]),
      (file) => writeFileSync(file, "something else"),
      (file) => writeFileSync(file, ""),
      (file) => {
        writeFileSync(file, "QEVM");
        truncateSync(file, 17 * 1024 * 1024);
      },
      () => {},
    ];
    for (const answer of answers) {
      await assert.rejects(saveWith(answer), { code: "internal" });
      assert.equal(existsSync(join(dir, "saved")), false);
    }
  });
});
