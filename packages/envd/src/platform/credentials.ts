// Acting as another user for the length of one synchronous call.
import { WrennError } from "@wrenn/core";
import { address, rawSyscall } from "./libc.ts";

/** Whom a child runs as. */
export interface Credentials {
  uid: number;
  gid: number;
  /** Supplementary groups. */
  groups: readonly number[];
}

interface Numbers {
  setgroups: number;
  setresuid: number;
  setresgid: number;
  capget: number;
  capset: number;
}

/** System call numbers (Linux, arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h). */
const NUMBERS: Partial<Record<string, Numbers>> = {
  x64: { setgroups: 116, setresuid: 117, setresgid: 119, capget: 125, capset: 126 },
  arm64: { setgroups: 159, setresuid: 147, setresgid: 149, capget: 90, capset: 91 },
};

/** Version 3 of the capability calls' header, and 0 for the calling thread (capget(2)). */
const CAPABILITY_HEADER = new Uint32Array([0x2008_0522, 0]);

/**
 * Runs `body` with the calling thread's user and groups set to `credentials`, and sets them back.
 *
 * Linux keeps credentials per thread, so only what `body` does synchronously on this thread is affected, and
 * a child that it spawns inherits them: that gives the child its supplementary groups, which `Bun.spawn`'s
 * own `uid` and `gid` would clear. All ids are the user's, so what is made (a terminal) belongs to the user and
 * `access()` answers for the user; only the saved id stays 0, as the way back. The capabilities stay in effect, so
 * that the child may join a control group that only root may write. `execve` takes both from the child.
 *
 * Not root: `body` runs as it is when the user is our own, else `forbidden`.
 */
export function withCredentials<T>(credentials: Credentials, body: () => T): T {
  const { uid, gid } = credentials;
  if (process.geteuid?.() !== 0) {
    if (uid === process.getuid?.()) return body();
    throw new WrennError("forbidden", `the guest agent is not root, so it cannot act as uid ${uid}`);
  }
  const numbers = NUMBERS[process.arch];
  if (numbers === undefined) {
    throw new WrennError("not_implemented", `no system call table for ${process.arch}`);
  }
  const groups = new Uint32Array(credentials.groups);
  try {
    rawSyscall("setgroups", numbers.setgroups, groups.length, groups.length === 0 ? 0 : address(groups));
    rawSyscall("setresgid", numbers.setresgid, gid, gid, 0);
    rawSyscall("setresuid", numbers.setresuid, uid, uid, 0);
    if (uid !== 0) raiseCapabilities(numbers);
    return body();
  } finally {
    becomeRoot(numbers);
  }
}

/** Puts the permitted capabilities into effect, which the change to another user has taken out. */
function raiseCapabilities(numbers: Numbers): void {
  // Two rounds of (effective, permitted, inheritable), 32 capabilities each.
  const sets = new Uint32Array(6);
  rawSyscall("capget", numbers.capget, address(CAPABILITY_HEADER), address(sets));
  for (const round of [0, 3]) sets[round] = sets[round + 1] ?? 0;
  rawSyscall("capset", numbers.capset, address(CAPABILITY_HEADER), address(sets));
}

/** An agent that cannot get its own rights back would act as the wrong user from here on: it ends instead. */
function becomeRoot(numbers: Numbers): void {
  try {
    rawSyscall("setresuid", numbers.setresuid, 0, 0, 0);
    rawSyscall("setresgid", numbers.setresgid, 0, 0, 0);
    rawSyscall("setgroups", numbers.setgroups, 0, 0);
  } catch {
    process.abort();
  }
}
