// A saved state that a VMM has written into its machine's own directory, carried out to where no VMM can write.
import { constants } from "node:fs";
import { open, rm, writeFile } from "node:fs/promises";
import { MIB, WrennError } from "@wrenn/core";

export interface CarryOut {
  /** In the machine's directory. */
  from: string;
  /** Becomes a new file of mode 0600. */
  to: string;
  /** Whose state it is, for errors. */
  vmm: string;
  /** How such a file begins; undefined = anyhow, but with something. */
  start?: string | undefined;
}

/** A machine of two processors and three devices has 14 kB with QEMU. */
const MAX_BYTES = 16 * MIB;

/** Throws `already_exists` when there is a file already, `internal` when it cannot be read or written. */
export async function carryOut({ from, to, vmm, start = "" }: CarryOut): Promise<void> {
  const state = await readUntrusted(from, { vmm, start });
  await writeNew(to, state);
  await rm(from, { force: true });
}

async function writeNew(path: string, content: Buffer): Promise<void> {
  try {
    await writeFile(path, content, { mode: 0o600, flag: "wx" });
  } catch (cause) {
    const exists = (cause as NodeJS.ErrnoException).code === "EEXIST";
    if (!exists) await rm(path, { force: true });
    const code = exists ? "already_exists" : "internal";
    throw new WrennError(code, `the saved state could not be written to ${path}`, { cause });
  }
}

/** The VMM may write the directory: the name may lead anywhere and the file be of any kind and size. */
async function readUntrusted(path: string, { vmm, start }: { vmm: string; start: string }): Promise<Buffer> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    await using file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const stat = await file.stat();
    if (!stat.isFile() || stat.size > MAX_BYTES)
      throw new Error(`it is no file of at most ${MAX_BYTES} bytes`);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(stat.size), 0, stat.size, 0);
    if (
      bytesRead > 0 &&
      bytesRead === stat.size &&
      buffer.subarray(0, start.length).toString("latin1") === start
    )
      return buffer;
    throw new Error(`it is not what ${vmm} writes`);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new WrennError("internal", `${vmm}'s saved state cannot be used: ${why}`, { cause });
  }
}
