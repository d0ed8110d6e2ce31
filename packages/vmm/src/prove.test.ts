import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { proveAccelerator } from "./prove.ts";
import type { Machine, MachineSpec, Vmm } from "./vmm.ts";

const UID = process.getuid?.() ?? 0;

describe("proveAccelerator()", () => {
  let home: string;
  let starts: number;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "wrenn-prove-"));
    starts = 0;
  });
  afterEach(() => rmSync(home, { recursive: true }));

  /** Its guests print and end as told, one after the other; the last one's way is that of all that follow. */
  function prove(...ways: { prints?: string; ends?: boolean }[]) {
    const start = async ({ dir }: MachineSpec): Promise<Machine> => {
      const { prints = "", ends = false } = ways[Math.min(starts++, ways.length - 1)] ?? {};
      const console = join(dir, "console.log");
      writeFileSync(console, prints);
      const machine = {
        exited: ends ? Promise.resolve({ status: 1 }) : new Promise(() => {}),
        consoleTail: async () => readFileSync(console, "utf8"),
        kill: async () => {},
      };
      return machine as unknown as Machine;
    };
    const vmm = { name: "qemu", version: async () => "7.2.22", start } as unknown as Vmm;
    const files = { kernel: "k", initramfs: "i", dir: join(home, "trial"), cacheFile: join(home, "cache") };
    return proveAccelerator({ vmm, commandLine: "", uid: UID, cgroup: "c", deadlineMs: 50, ...files });
  }

  const UP = { prints: "wrenn-init: no disk\n" };

  it("is KVM where a guest comes up, and that is remembered", async () => {
    assert.equal((await prove(UP)).accelerator, "kvm");
    assert.equal((await prove({ ends: true })).accelerator, "kvm");
    assert.equal(starts, 1);
  });

  it("tries once more, for longer, where a guest was only late: it is remembered until the next boot", async () => {
    assert.equal((await prove({}, UP)).accelerator, "kvm");
    assert.equal(starts, 2);
  });

  it("is not tried again where the machine ended by itself", async () => {
    const { accelerator, reason } = await prove({ prints: "kvm: no\n", ends: true }, UP);
    assert.deepEqual([accelerator, /last seen: kvm: no/.test(reason ?? "")], ["tcg", true]);
    assert.equal(starts, 1);
  });
});
