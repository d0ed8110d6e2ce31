// Which accelerator runs guests here, by running one.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Scope } from "@wrenn/core";
import {
  claimBlock,
  detectCgroups,
  type ProbeResult,
  planBlock,
  releaseBlock,
  sweepBlock,
} from "@wrenn/linux";
import { kernelCommandLine, prepareBoot, tscKhz } from "@wrenn/template";
import { QemuVmm, type TrialOptions, tryAccelerator } from "@wrenn/vmm";

const NAME = "accelerator (a guest was started)";

/**
 * Boots our kernel to its first process, with KVM and, when that does not work, emulated. The trial has a block
 * of its own, so it does not meet a running instance.
 */
export async function probeAccelerator(cacheDir: string): Promise<ProbeResult> {
  try {
    await using scope = new Scope();
    const cgroups = detectCgroups();
    const dir = await scope.take(
      "directory",
      () => mkdtemp(join(tmpdir(), "wrenn-doctor-")),
      (path) => rm(path, { recursive: true, force: true }),
    );
    const { block } = await scope.take("block", () => claimBlock({ dataDir: dir }), releaseBlock);
    scope.defer("trial", async () => {
      await sweepBlock({ block, cgroups });
    });
    const plan = planBlock(block);
    const trial: TrialOptions = {
      ...(await prepareBoot({ cacheDir })),
      vmm: new QemuVmm({ cgroups }),
      commandLine: kernelCommandLine({ tscKhz: await tscKhz() }),
      dir: join(dir, "trial"),
      uid: plan.vmmUids.first,
      cgroup: `${plan.cgroup}/trial`,
    };
    const whyNoKvm = await tryAccelerator("kvm", trial);
    return judge(whyNoKvm, whyNoKvm === undefined ? undefined : await tryAccelerator("tcg", trial));
  } catch (error) {
    return {
      name: NAME,
      ok: false,
      required: true,
      detail: `the trial could not be made: ${(error as Error).message}`,
      remedy: "see the other lines; the trial needs QEMU, control groups and, once, Debian's kernel package",
    };
  }
}

function judge(whyNoKvm: string | undefined, whyNoEmulation: string | undefined): ProbeResult {
  if (whyNoKvm === undefined) return { name: NAME, ok: true, required: true, detail: "KVM" };
  if (whyNoEmulation === undefined) {
    return {
      name: NAME,
      ok: false,
      required: false,
      detail: `emulation (tcg), slower and not a security boundary; KVM: ${whyNoKvm}`,
      remedy: "use a machine with hardware virtualization, or switch on its nested form",
    };
  }
  return {
    name: NAME,
    ok: false,
    required: true,
    detail: `no guest starts. KVM: ${whyNoKvm}. Emulation: ${whyNoEmulation}`,
    remedy: "./wrenn logs host-agent may say more; on Debian: apt-get install --reinstall qemu-system-x86",
  };
}
