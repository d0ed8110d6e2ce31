// wrenn-host-agent: the one process per machine that owns what is really there.
import { hasSandboxMachines } from "@wrenn/linux";
import { pino } from "pino";
import { startAgent } from "./agent.ts";
import { readConfig } from "./config.ts";
import { logDestination } from "./log-destination.ts";
import { onFirstSignal } from "./stop-signals.ts";

process.title = "wrenn-host-agent";
// All code is loaded by now; see LOAD_ONLY of the supervisor.
if (process.argv[2] === "--load-only") process.exit(0);
const config = readConfig(process.env);
const log = pino(
  { level: config.logLevel, base: { process: "host-agent" } },
  logDestination(process.stdout.fd),
);

process.on("unhandledRejection", (err) => {
  log.fatal({ err }, "unhandled rejection");
  process.exit(1);
});

let isReady = false;
const started = startAgent(config, log);
onFirstSignal(process, async (signal) => {
  log.info({ signal }, "stopping");
  // One that is starting has what an earlier one left to take over and pause, or else nothing that is worth a delay.
  if (!isReady && !hasSandboxMachines(config.block)) process.exit(0);
  try {
    const scope = await started;
    await scope.close();
    process.exit(0);
  } catch (err) {
    log.error({ err }, "could not give everything back");
    process.exit(1);
  }
});
try {
  await started;
  isReady = true;
} catch (err) {
  log.fatal({ err }, "the host agent could not start");
  process.exit(1);
}
