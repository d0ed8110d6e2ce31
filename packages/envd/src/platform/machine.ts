// What the agent changes about the machine it runs on: entropy, clock, name, id.
import { closeSync, openSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { IdentityFiles } from "../identity/identity-files.ts";
import { ioctl, setClock } from "./libc.ts";

/** include/uapi/linux/random.h. */
const RNDADDENTROPY = 0x40085203;
const RNDRESEEDCRNG = 0x5207;

/** A clock that is off by less is left alone: stepping it disturbs more than it helps. */
const CLOCK_TOLERANCE_MS = 50;

/** Each method throws what the kernel refuses. */
export interface Machine {
  /** Credits the bytes to the kernel's pool and makes its generator use them at once. Says whether it did. */
  addEntropy(bytes: Uint8Array): boolean;
  setTime(unixMs: number): void;
  /** The kernel's host name. */
  setHostname(name: string): void;
  /** Also where programs look for the name without asking the kernel: /etc/hostname, /etc/hosts. */
  writeHostname(name: string, former: string): void;
  setMachineId(id: string): void;
  /** What the machine is now, asked anew. */
  identity(): { hostname: string; machineId: string | null };
}

const files = new IdentityFiles();
const identity = () => ({ hostname: hostname(), machineId: files.machineId() });

/** The guest's kernel and root file system. */
export const guestMachine: Machine = {
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
    return true;
  },
  setTime(unixMs) {
    if (Math.abs(Date.now() - unixMs) > CLOCK_TOLERANCE_MS) setClock(unixMs);
  },
  setHostname: (name) => writeFileSync("/proc/sys/kernel/hostname", name),
  writeHostname: (name, former) => files.setHostname(name, former),
  setMachineId: (id) => files.setMachineId(id),
  identity,
};

/** A developer's machine, which stays what it is. */
export const foreignMachine: Machine = {
  addEntropy: () => false,
  setTime() {},
  setHostname() {},
  writeHostname() {},
  setMachineId() {},
  identity,
};
