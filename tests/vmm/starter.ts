// Restores a machine, lets it run, says which process it is, and ends without it.
import { text } from "node:stream/consumers";
import { detectCgroups } from "@wrenn/linux";
import { type MachineSpec, QemuVmm } from "@wrenn/vmm";

const { spec, devicesPath } = JSON.parse(await text(process.stdin)) as {
  spec: MachineSpec;
  devicesPath: string;
};
const machine = await new QemuVmm({ cgroups: detectCgroups() }).restore(spec, { devicesPath });
await machine.resume();
process.stdout.write(JSON.stringify(machine.process), () => process.exit(0));
