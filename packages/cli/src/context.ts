// What a command gets from its surroundings.
import type { CommandContext } from "@stricli/core";

export interface Context extends CommandContext {
  readonly process: NodeJS.Process;
  /** What stands behind `--`: a command for the sandbox, untouched. Absent without a `--`. */
  readonly remoteCommand: readonly string[] | undefined;
}
