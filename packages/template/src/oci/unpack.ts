// The layers of an image as one tree. The unpacking is umoci's (securely joined paths, whiteouts, owners, modes, links,
// extended attributes); here it is shut in, because what it reads comes from strangers.
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { CommandError, run } from "@wrenn/linux";
import { MAX_IMAGE } from "./scan.ts";

const TIMEOUT_MS = 30 * 60_000;

/** What giving files to their owners takes, and nothing else that root may do. */
const CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "MKNOD", "SETFCAP"];

/**
 * Unpacks the layout `layout` (tag `image`) to `tree`, both below `dir`, which is all that the unpacker may write: an
 * archive that outwits it finds no other file of the host, no network and no process.
 */
export async function unpackImage(dir: string, signal: AbortSignal): Promise<string> {
  try {
    await run(
      [
        ...(["prlimit", "--core=0:0", `--fsize=${MAX_IMAGE.bytes}:${MAX_IMAGE.bytes}`, "--"] as const),
        // No user namespace: files are to have their real owners.
        ...[
          "bwrap",
          "--unshare-pid",
          "--unshare-net",
          "--unshare-ipc",
          "--unshare-uts",
          "--unshare-cgroup-try",
        ],
        ...["--die-with-parent", "--new-session", "--as-pid-1"],
        ...["--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"],
        ...["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--bind", dir, "/work"],
        ...["--cap-drop", "ALL", ...CAPABILITIES.flatMap((name) => ["--cap-add", `CAP_${name}`])],
        ...["--", "/usr/bin/umoci", "raw", "unpack", "--image", "/work/layout:image", "/work/tree"],
      ],
      { timeoutMs: TIMEOUT_MS, env: { PATH: "/usr/bin:/usr/sbin", HOME: "/tmp" }, signal },
    );
  } catch (cause) {
    if (!(cause instanceof CommandError) || cause.reason !== "exit") throw cause;
    throw new WrennError("invalid_argument", `the image could not be unpacked: ${lastLine(cause.stderr)}`, {
      field: "fromImage",
      cause,
    });
  }
  return join(dir, "tree");
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)?.trim().slice(0, 500) ?? "";
}
