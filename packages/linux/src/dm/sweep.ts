// What a former holder of a block has left in the device mapper and among the loop devices.
import { listDevices, removeDevice } from "./device.ts";
import { detachLoop, type LoopDevice, loopsBelow } from "./loop.ts";
import { ORIGIN_MARK } from "./origins.ts";

export interface SweepDevices {
  prefix: string;
  /** Without symbolic links. */
  dataDir: string;
  /** What somebody uses: names of devices, and files behind loop devices. */
  spared?: { devices: ReadonlySet<string>; files: ReadonlySet<string> } | undefined;
}

/**
 * Removes every device whose name begins with the block's prefix, and every loop device of a file below the data
 * directory, but for those that are spared. Their users have ended by then. Doing it again finds nothing.
 */
export async function sweepDevices(
  options: SweepDevices,
): Promise<{ devices: string[]; loops: LoopDevice[] }> {
  const { prefix, dataDir, spared } = options;
  const devices = (await listDevices(prefix)).filter((name) => !spared?.devices.has(name));
  // Snapshots hold their origins.
  const isOrigin = (name: string) => name.startsWith(`${prefix}${ORIGIN_MARK}`);
  for (const name of devices.filter((each) => !isOrigin(each))) await removeDevice(name);
  for (const name of devices.filter(isOrigin)) await removeDevice(name);
  const loops = loopsBelow(dataDir).filter(({ file }) => !spared?.files.has(file));
  for (const loop of loops) await detachLoop(loop);
  return { devices, loops };
}
