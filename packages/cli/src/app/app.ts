// The command line as a whole.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Application, buildApplication, buildRouteMap, text_en } from "@stricli/core";
import type { Context } from "../context.ts";
import { describeFailure, exitStatusOfFailure } from "../failure.ts";
import { cp } from "./cp.ts";
import { exec } from "./exec.ts";
import { key } from "./key.ts";
import { run } from "./run.ts";
import { sandbox } from "./sandbox.ts";
import { snapshot } from "./snapshot.ts";
import { storage } from "./storage.ts";
import { template } from "./template.ts";

const DESCRIPTION = `Virtual machines in seconds, commands and files in them.

Start here:
  wrenn run -- python3 -c "print(6*7)"     a command in a sandbox of its own
  wrenn up                                 the platform, until Ctrl-C
  id=$(wrenn sandbox create)               a sandbox that stays
  wrenn exec -it $id -- bash               a shell in it
  wrenn cp data.csv $id:/home/user/        a file into it
  wrenn sandbox pause $id                  to disk, with all that runs in it; resume brings it back
  wrenn snapshot create $id warm           a name to make more from: sandbox create --template warm

The platform (--help tells more about each):
  up, down, status, logs                   start, stop, look at it
  doctor                                   what this machine can do, and what is missing
  bench, soak, lab, test                   measure and test it

Environment:
  WRENN_URL      the service (default: the platform of the data directory, else http://127.0.0.1:8000)
  WRENN_API_KEY  the key (default: the platform's own, if this user may read it)
  WRENN_DATA_DIR the data directory (default: /var/lib/wrenn)`;

export function application(): Application<Context> {
  const root = buildRouteMap<string, Context>({
    routes: { run, sandbox, exec, cp, snapshot, template, storage, key },
    docs: { brief: "Wrenn Sandbox", fullDescription: DESCRIPTION },
  });
  return buildApplication(root, {
    name: "wrenn",
    versionInfo: { currentVersion: ownVersion() },
    scanner: { caseStyle: "allow-kebab-for-camel" },
    documentation: { useAliasInUsageLine: true, onlyRequiredInUsageLine: true },
    localization: {
      text: {
        ...text_en,
        exceptionWhileRunningCommand: (error) => `wrenn: ${describeFailure(error)}`,
        exceptionWhileParsingArguments: (error) => `wrenn: ${(error as Error).message}; see --help`,
      },
    },
    determineExitCode: exitStatusOfFailure,
  });
}

function ownVersion(): string {
  const text = readFileSync(join(import.meta.dirname, "../../package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
