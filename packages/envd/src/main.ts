// The guest agent's program.
import type { Server } from "node:net";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DEFAULTS_FILE, readDefaults } from "./agent/defaults-file.ts";
import { Log } from "./agent/log.ts";
import { AgentState } from "./agent/state.ts";
import { StagedFile } from "./files/staged-file.ts";
import { resolvePath } from "./filesystem/paths.ts";
import { createHandler } from "./http/handler.ts";
import { keepKernel, launchAs } from "./interpreter/guest-programs.ts";
import { Interpreter } from "./interpreter/interpreter.ts";
import {
  INTERPRETER_PORT,
  type InterpreterSettings,
  readSettings,
  SETTINGS_FILE,
} from "./interpreter/settings.ts";
import { foreignMachine, guestMachine } from "./platform/machine.ts";
import { fileBody, serve } from "./platform/server.ts";
import { GATEWAY_PORT, serveGateway } from "./ports/gateway.ts";
import { CGROUP_ROOT, ControlGroups } from "./process/control-groups.ts";
import { ProcessTable } from "./process/process-table.ts";
import { Attachments } from "./streams/attachments.ts";
import { OpenStreams } from "./streams/open-streams.ts";
import { namedUser } from "./users/request-user.ts";
import { UserDirectory } from "./users/user-directory.ts";
import { ENVD_PORT, ENVD_VERSION } from "./version.ts";

const USAGE = `envd ${ENVD_VERSION}, the guest agent
  --port N             TCP port (${ENVD_PORT}); 0 = any
  --host ADDRESS       address to listen on (0.0.0.0)
  --gateway-port N     TCP port of plain connections: to the guest's loopback, and of uploads (${GATEWAY_PORT}); 0 = any
  --machine guest|foreign
                       whether /init may set the clock, host name and entropy of this machine
                       (guest for the compiled agent, foreign when run from source)
  --cgroup-root DIR    cgroup v2 to put processes into (${CGROUP_ROOT})
  --interpreter FILE   settings of the code interpreter; none without that file (${SETTINGS_FILE})
  --interpreter-port N TCP port of the code interpreter (${INTERPRETER_PORT}); 0 = any
  --kernels DIR        programs of the code interpreter
  --socket FILE        where these connect to (/run/wrenn-kernels.sock)
  --stall-ms N         time after which a reader that takes nothing is cut off (60000)
  --defaults FILE      what the template gives each of its guests (${DEFAULTS_FILE})
  --version            print the version
`;

/** Replaced by the compiler; see build.ts. */
declare const WRENN_ENVD_COMPILED: boolean | undefined;
const COMPILED = typeof WRENN_ENVD_COMPILED !== "undefined" && WRENN_ENVD_COMPILED === true;

/** On the agent drive, or beside the sources. */
const KERNELS = COMPILED ? "/run/wrenn/kernels" : join(import.meta.dirname, "interpreter/kernels");

function main(): void {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: String(ENVD_PORT) },
      host: { type: "string", default: "0.0.0.0" },
      "gateway-port": { type: "string", default: String(GATEWAY_PORT) },
      machine: { type: "string", default: COMPILED ? "guest" : "foreign" },
      "cgroup-root": { type: "string", default: CGROUP_ROOT },
      interpreter: { type: "string", default: SETTINGS_FILE },
      "interpreter-port": { type: "string", default: String(INTERPRETER_PORT) },
      kernels: { type: "string", default: KERNELS },
      socket: { type: "string", default: "/run/wrenn-kernels.sock" },
      "stall-ms": { type: "string", default: "60000" },
      defaults: { type: "string", default: DEFAULTS_FILE },
      version: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.version || values.help) {
    process.stdout.write(values.version ? `${ENVD_VERSION}\n` : USAGE);
    return;
  }
  const log = new Log();
  const state = new AgentState();
  try {
    state.take(readDefaults(values.defaults) ?? {});
  } catch (cause) {
    log.write("warn", "the template's defaults could not be read", { cause: String(cause) });
  }
  const groups = ControlGroups.open(values["cgroup-root"]);
  const stallMs = natural("stall-ms", values["stall-ms"]);
  const defaultsFile = values.defaults;
  const table = new ProcessTable(state, groups, stallMs);
  const machine = values.machine === "guest" ? guestMachine : foreignMachine;
  const open = { attachments: new Attachments(), streams: new OpenStreams() };
  const users = new UserDirectory();
  const settings = settingsOf(values.interpreter, log);
  const interpreter =
    settings &&
    new Interpreter({
      ...{ settings, state, log, stallMs, kernels: values.kernels, socketPath: values.socket, ...open },
      user: () => namedUser(undefined, users, state),
      launch: (command, user) => launchAs(command, user, groups),
      keep: (pid) => keepKernel(pid, groups),
    });
  const agent = { state, users, table, machine, log, fileBody, stallMs, interpreter, defaultsFile, ...open };
  const server = serve({
    port: natural("port", values.port),
    hostname: values.host,
    otherPorts: () => [...portsOf(gateway), ...(code === undefined ? [] : [code.port])],
    createHandler: (connections) => createHandler({ ...agent, connections }),
  });
  log.write("info", "listening", { port: server.port, version: ENVD_VERSION, cgroups: groups !== undefined });
  log.flush();
  const code =
    interpreter &&
    serve({
      port: natural("interpreter-port", values["interpreter-port"]),
      hostname: values.host,
      otherPorts: () => [],
      createHandler: () => (request) => interpreter.handle(request),
    });
  if (code !== undefined) log.write("info", "code interpreter", { interpreter: code.port });
  const gateway = serveGateway({
    port: natural("gateway-port", values["gateway-port"]),
    hostname: values.host,
    isToken: (token) => state.isToken(token),
    stage: (path) => {
      const user = namedUser(undefined, users, state);
      return StagedFile.create(resolvePath(path, user, state.defaultWorkdir), user, {});
    },
  });
  gateway.on("error", (error) =>
    log.write("error", "no gateway: neither loopback ports nor plain uploads", { cause: String(error) }),
  );
  gateway.on("listening", () => {
    for (const port of portsOf(gateway)) log.write("info", "gateway", { gateway: port });
  });

  // The agent holds every process of the guest: a fault in one request must not take the others with it.
  process.on("uncaughtException", (error) => log.write("error", "uncaught", { cause: String(error.stack) }));
  process.on("unhandledRejection", (reason) => log.write("error", "unhandled", { cause: String(reason) }));

  const end = async () => {
    await interpreter?.close();
    await table.close();
    log.flush();
    process.exit(0);
  };
  process.once("SIGTERM", () => void end());
  process.once("SIGINT", () => void end());
}

/** A template with wrong settings has a sandbox all the same, and says in its log what is wrong. */
function settingsOf(path: string, log: Log): InterpreterSettings | undefined {
  try {
    return readSettings(path);
  } catch (cause) {
    log.write("error", "no code interpreter", { cause: String(cause) });
    return undefined;
  }
}

/** Where a server listens; nothing before it does. */
function portsOf(server: Server): number[] {
  const address = server.address();
  return address !== null && typeof address === "object" ? [address.port] : [];
}

function natural(option: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--${option} must be a number, not '${text}'`);
  return Number(text);
}

main();
