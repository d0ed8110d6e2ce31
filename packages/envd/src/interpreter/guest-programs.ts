// Kernels as processes of a guest: who they run as, where they are kept, how they end.
import { writeFileSync } from "node:fs";
import { withCredentials } from "../platform/credentials.ts";
import type { FdReader } from "../platform/fd-reader.ts";
import { FdWriter } from "../platform/fd-writer.ts";
import { mayExecute } from "../platform/libc.ts";
import { spawn } from "../platform/spawn.ts";
import { findProgram } from "../process/command.ts";
import type { ControlGroups } from "../process/control-groups.ts";
import { childEnvironment, DEFAULT_PATH } from "../process/environment.ts";
import { expendable } from "../process/expendable.ts";
import { killTree } from "../process/tree.ts";
import type { User } from "../users/user-directory.ts";
import type { Launched } from "./fork-server.ts";
import type { Kill } from "./kernel.ts";

/** Starts a program as a user, with nothing but that user's own environment. */
export function launchAs(
  [name = "", ...args]: readonly string[],
  user: User,
  groups: ControlGroups | undefined,
): Launched {
  const executable = withCredentials(user, () => findProgram(name, "/", DEFAULT_PATH, mayExecute));
  const cgroup = groups?.take();
  const release = () => {
    if (cgroup !== undefined) groups?.release(cgroup);
  };
  const request = { executable, name, args, cwd: "/", credentials: user, cgroup, stdin: true };
  const env = childEnvironment(user, {}, { LANG: "C.UTF-8" }, false);
  let child: ReturnType<typeof spawn>;
  try {
    child = expendable(() => spawn({ ...request, env }));
  } catch (reason) {
    release();
    throw reason;
  }
  const [stdout, stderr] = child.outputs.map(({ reader }) => chunksOf(reader));
  if (stdout === undefined || stderr === undefined || !(child.input instanceof FdWriter)) {
    throw new Error("a program without pipes");
  }
  const input = child.input;
  const exited = child.exited.then(() => {
    input.close();
    release();
  });
  return {
    pid: child.pid,
    write: (text) => input.write(Buffer.from(text)),
    stdout,
    stderr,
    exited,
    kill: () => killTree({ pid: child.pid, cgroup }),
  };
}

/** Moves a kernel into a control group of its own, so that all that its code starts can be found and killed. */
export function keepKernel(pid: number, groups: ControlGroups | undefined): Kill {
  let cgroup = groups?.take();
  try {
    if (cgroup !== undefined) writeFileSync(`${cgroup}/cgroup.procs`, String(pid));
  } catch {
    // It has ended already, which its connection tells.
    if (cgroup !== undefined) groups?.release(cgroup);
    cgroup = undefined;
  }
  return () => {
    killTree({ pid, cgroup });
    if (cgroup !== undefined) groups?.release(cgroup);
  };
}

async function* chunksOf(reader: FdReader): AsyncGenerator<Uint8Array> {
  try {
    for (let chunk = await reader.read(); chunk !== undefined; chunk = await reader.read()) yield chunk;
  } finally {
    reader.close();
  }
}
