// What the agent changes about the machine it runs on: clock, host name, entropy.
import { closeSync, openSync, readSync, writeFileSync } from "node:fs";
import { ioctl, setClock } from "./libc.ts";

/** include/uapi/linux/random.h. */
const RNDADDENTROPY = 0x40085203;
const RNDRESEEDCRNG = 0x5207;

/** A clock that is off by less is left alone: stepping it disturbs more than it helps. */
const CLOCK_TOLERANCE_MS = 50;

export interface Machine {
  setTime(unixMs: number): void;
  setHostname(name: string): void;
  /** Credits the bytes to the kernel's pool and makes its generator use them at once. */
  addEntropy(bytes: Uint8Array): void;
}

/** The guest's kernel. */
export const guestMachine: Machine = {
  setTime(unixMs) {
    if (Math.abs(Date.now() - unixMs) > CLOCK_TOLERANCE_MS) setClock(unixMs);
  },
  setHostname(name) {
    writeFileSync("/proc/sys/kernel/hostname", name);
  },
  addEntropy(bytes) {
    const padded = Math.ceil(bytes.length / 4) * 4;
    const request = new Uint8Array(8 + padded);
    new Int32Array(request.buffer, 0, 2).set([bytes.length * 8, bytes.length]);
    request.set(bytes, 8);
    const fd = openSync("/dev/urandom", "r");
    try {
      ioctl(fd, RNDADDENTROPY, request);
      ioctl(fd, RNDRESEEDCRNG, null);
    } finally {
      closeSync(fd);
    }
  },
};

/** A developer's machine, which keeps its own clock, name and entropy. */
export const foreignMachine: Machine = {
  setTime() {},
  setHostname() {},
  addEntropy() {},
};

/**
 * Random bytes as hex digits, straight from the kernel: generators in user space are cloned together with
 * the guest's memory.
 */
export function randomHex(bytes: number): string {
  const buffer = Buffer.alloc(bytes);
  const fd = openSync("/dev/urandom", "r");
  try {
    readSync(fd, buffer, 0, bytes, null);
  } finally {
    closeSync(fd);
  }
  return buffer.toString("hex");
}
