// The process wrenn-control-plane: configuration from the environment, until SIGTERM.
import { once } from "node:events";
import { readConfig } from "./config/config.ts";
import { startControlPlane } from "./control-plane.ts";
import { openLog } from "./http/logger.ts";

process.title = "wrenn-control-plane";

/** A stop that takes longer than this is not going to end. */
const STOP_MS = 25_000;

const log = openLog(process.env["WRENN_LOG_LEVEL"] ?? "info");
try {
  const controlPlane = await startControlPlane(readConfig(process.env), log);
  log.info({ url: controlPlane.url }, "listening");
  const stop = new AbortController();
  const { signal } = stop;
  const name = await Promise.race([
    once(process, "SIGTERM", { signal }).then(() => "SIGTERM"),
    once(process, "SIGINT", { signal }).then(() => "SIGINT"),
  ]);
  log.info({ signal: name }, "stopping");
  setTimeout(() => process.exit(1), STOP_MS).unref();
  await controlPlane.close();
  log.info("stopped");
  process.exit(0);
} catch (reason) {
  log.fatal({ err: reason }, "could not start");
  process.exit(1);
}
