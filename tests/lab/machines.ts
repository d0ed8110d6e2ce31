// The VMMs inside a lab as processes, whichever of the two runs its guests.

/** Pattern for `pgrep --full`: how the command line of a VMM begins. */
export const ANY_MACHINE = "^(/usr/bin/qemu-system-x86_64|/fc/firecracker) ";

/** The same for the VMM of one sandbox. */
export function machineOf(id: string): string {
  return `${ANY_MACHINE}.*-(name|-id) ${id}( |$)`;
}

/** The sandbox that a VMM's command line names. */
export function sandboxOf(commandLine: string): string | undefined {
  return / -(?:name|-id) (\S+)/.exec(commandLine)?.[1];
}
