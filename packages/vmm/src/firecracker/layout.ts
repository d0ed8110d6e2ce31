// Where a confined Firecracker finds its files. Its saved states hold these paths, so they are the same for every sandbox
// and each life: a private mount namespace puts the sandbox's own files there.
import { join } from "node:path";
import { confinedFd } from "@wrenn/linux";
import type { Disk, MachineSpec } from "../vmm.ts";

export const INSIDE = {
  binary: "/fc/firecracker",
  /** Private writable directory. */
  dir: "/vm",
  api: "/vm/api.sock",
  deviceState: "/vm/devices.state",
  kernel: "/img/kernel",
  initramfs: "/img/initramfs",
  /** Socket of the server that gives out pages of memory. */
  pages: "/fc/pages.sock",
} as const;

/** Index of the inherited descriptor that the machine's memory is written to when it is saved. */
const PICTURE_INDEX = 0;
/** Index of the inherited descriptor of the state that it continues from. */
const STATE_INDEX = 1;
/** Index of the inherited descriptor of the image that its memory comes from. */
const IMAGE_INDEX = 2;

/** Number of the process's descriptor for the picture of its memory, see memory-picture.ts. */
export const PICTURE_FD: number = confinedFd(PICTURE_INDEX);
export const PICTURE_PATH: string = `/proc/self/fd/${PICTURE_FD}`;
export const STATE_PATH: string = `/proc/self/fd/${confinedFd(STATE_INDEX)}`;
export const IMAGE_PATH: string = `/proc/self/fd/${confinedFd(IMAGE_INDEX)}`;

/** The name in the API of the one network card. */
export const NETWORK_ID = "eth0";

export function diskPath({ id }: Pick<Disk, "id">): string {
  return `/img/${id}`;
}

/** The API's socket on the host. */
export function apiSocket({ dir }: Pick<MachineSpec, "dir">): string {
  return join(dir, "api.sock");
}

/**
 * Where Firecracker connects to have its memory served: beside the machine's directory, where it cannot put anything else
 * in its place. As long as it is there, the machine needs the process that made it.
 */
export function pagesSocket({ dir }: Pick<MachineSpec, "dir">): string {
  return `${dir}.pages`;
}
