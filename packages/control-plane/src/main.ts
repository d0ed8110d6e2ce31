// The process wrenn-control-plane: configuration from the environment, until SIGTERM.
import { once } from "node:events";
import { readConfig } from "./config/config.ts";
import { startControlPlane } from "./control-plane.ts";
import { openLog } from "./http/logger.ts";

process.title = "wrenn-control-plane";
// All code is loaded by now; see LOAD_ONLY of the supervisor.
if (process.argv[2] === "--load-only") process.exit(0);

/** A stop that takes longer than this is not going to end. */
const STOP_MS = 25_000;

const { log, flush } = openLog(process.env["WRENN_LOG_LEVEL"] ?? "info");
try {
  const controlPlane = await startControlPlane(readConfig(process.env), log);
  log.info({ url: controlPlane.url }, "listening");
  await Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
  log.info("stopping");
  setTimeout(() => exit(1), STOP_MS).unref();
  await controlPlane.close();
  log.info("stopped");
  exit(0);
} catch (reason) {
  log.fatal({ err: reason }, "could not start");
  exit(1);
}

function exit(code: number): never {
  flush();
  process.exit(code);
}
