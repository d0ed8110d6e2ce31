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
  setfsuid: number;
}

/** System call numbers (Linux, arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h). */
const NUMBERS: Partial<Record<string, Numbers>> = {
  x64: { setgroups: 116, setresuid: 117, setresgid: 119, setfsuid: 122 },
  arm64: { setgroups: 159, setresuid: 147, setresgid: 149, setfsuid: 151 },
};

/**
 * Runs `body` with the calling thread's user and groups set to `credentials`, and sets them back.
 *
 * Linux keeps credentials per thread, so only what `body` does synchronously on this thread is affected, and
 * a child that it spawns inherits them: that gives the child its supplementary groups, which `Bun.spawn`'s
 * own `uid` and `gid` would clear. Real and effective ids are the user's, so `access()` answers for the
 * user, and after `execve` the child has no way back (the saved id becomes the effective one). The saved id
 * stays 0 until then, which is the way back for this thread; the file system id too, so that the child may
 * still join a control group that only root may write.
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
  if (numbers === undefined)
    throw new WrennError("not_implemented", `no system call table for ${process.arch}`);
  const groups = new Uint32Array(credentials.groups);
  try {
    rawSyscall("setgroups", numbers.setgroups, groups.length, groups.length === 0 ? 0 : address(groups));
    rawSyscall("setresgid", numbers.setresgid, gid, gid, 0);
    rawSyscall("setresuid", numbers.setresuid, uid, uid, 0);
    if (uid !== 0) rawSyscall("setfsuid", numbers.setfsuid, 0);
    return body();
  } finally {
    becomeRoot(numbers);
  }
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
