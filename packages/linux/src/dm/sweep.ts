// What a former holder of a block has left in the device mapper and among the loop devices.
import { listDevices, removeDevice } from "./device.ts";
import { detachLoop, type LoopDevice, loopsBelow } from "./loop.ts";
import { ORIGIN_MARK } from "./origins.ts";

/**
 * Removes every device whose name begins with the block's prefix, and every loop device of a file below the data
 * directory. Their users have ended by then. Doing it again finds nothing.
 *
 * @param dataDir without symbolic links
 */
export async function sweepDevices(options: {
  prefix: string;
  dataDir: string;
}): Promise<{ devices: string[]; loops: LoopDevice[] }> {
  const { prefix, dataDir } = options;
  const devices = await listDevices(prefix);
  // Snapshots hold their origins.
  const isOrigin = (name: string) => name.startsWith(`${prefix}${ORIGIN_MARK}`);
  for (const name of devices.filter((each) => !isOrigin(each))) await removeDevice(name);
  for (const name of devices.filter(isOrigin)) await removeDevice(name);
  const loops = loopsBelow(dataDir);
  for (const loop of loops) await detachLoop(loop);
  return { devices, loops };
}
