// Checks that the agent makes itself, whatever the control plane has checked before: it runs as root.
import { BOUNDS, LIMITS, WrennError } from "@wrenn/core";
import type { Accelerator } from "@wrenn/vmm";

/** Throws `invalid_argument` unless the path is absolute, without NUL, and short enough for the guest's kernel. */
export function assertGuestPath(path: string): void {
  if (!path.startsWith("/") || path.includes("\0") || Buffer.byteLength(path) > LIMITS.pathBytes) {
    throw new WrennError("invalid_argument", "path must be absolute, without NUL, of at most 4096 bytes", {
      field: "path",
    });
  }
}

/** Throws `invalid_argument` unless there is a command and its time-out is one; 0 = none. */
export function assertCommand({ cmd, timeoutSec }: { cmd: string; timeoutSec: number }): void {
  if (cmd === "" || cmd.includes("\0")) {
    throw new WrennError("invalid_argument", "cmd must name a command", { field: "cmd" });
  }
  const { max } = BOUNDS.exec_timeout_sec;
  if (timeoutSec < 0 || timeoutSec > max) {
    throw new WrennError("invalid_argument", `timeout_sec must be from 0 to ${max}`, {
      field: "timeout_sec",
    });
  }
}

/** Throws `isolation_unavailable` when this host proves less than what is asked for. */
export function assertIsolation(wanted: string, proven: Accelerator): void {
  if (wanted === "" || wanted === "tcg" || wanted === proven) return;
  if (wanted !== "kvm") {
    throw new WrennError("invalid_argument", 'min_isolation must be "kvm" or "tcg"', {
      field: "min_isolation",
    });
  }
  throw new WrennError(
    "isolation_unavailable",
    "this host runs guests by emulation (tcg); it cannot give kvm isolation",
    {
      field: "min_isolation",
    },
  );
}

/** One of the values; the first when the field is empty. Throws `invalid_argument` naming the field. */
export function oneOf<T extends string>(field: string, value: string, values: readonly [T, ...T[]]): T {
  if (value === "") return values[0];
  const found = values.find((candidate) => candidate === value);
  if (found) return found;
  throw new WrennError("invalid_argument", `${field} must be one of: ${values.join(", ")}`, { field });
}
