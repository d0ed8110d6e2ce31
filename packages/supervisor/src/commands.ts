// The commands `up`, `down`, `status`, `logs` and `doctor`, by the arguments of the process.
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { WrennError } from "@wrenn/core";
import { LOAD_ONLY } from "./code-cache.ts";
import { DEFAULT_CACHE_DIR, DEFAULT_DATA_DIR, DEFAULT_LISTEN, dataLayout, SOURCE_ROOT } from "./layout.ts";
import { parseListenAddress } from "./listen-address.ts";
import { lineProgress } from "./progress.ts";

const VMMS = ["auto", "qemu", "firecracker"] as const;
const USAGE = `usage: wrenn up     [--listen HOST:PORT] [--data-dir DIR] [--dns ADDRESS] [--vmm VMM] [--memory HOW]
                    [--detach]
       wrenn down   [--data-dir DIR]
       wrenn status [--data-dir DIR] [--json]
       wrenn logs   [--data-dir DIR] [-n LINES] [-f] [PROCESS]
       wrenn doctor [--data-dir DIR] [--listen HOST:PORT] [--json]

  --data-dir DIR   where the instance keeps everything (default ${DEFAULT_DATA_DIR}, or WRENN_DATA_DIR)
  --listen         address of the API (default ${DEFAULT_LISTEN}; port 0 takes a free one)
  --dns ADDRESS    resolver that sandboxes may use (default: the host's first)
  --vmm VMM        what runs the guests: ${VMMS.join(", ")} (default ${VMMS[0]}: Firecracker where FIRECRACKER_BIN
                   names one that works here, else QEMU)
  --memory HOW     how sandboxes get their memory back: shared (until they write it), lazy (while they run), or
                   auto (what is faster; the default, or WRENN_MEMORY)
  --detach         return when it is ready

When an instance ends, the sandboxes that run are paused, and resumed when somebody asks for them. WRENN_ON_STOP=destroy in
the environment of up deletes them instead. DATABASE_URL in it names a PostgreSQL to use in place of the instance's own.
`;

const SHARED = { "data-dir": { type: "string" } } as const;
const LISTEN = { listen: { type: "string" } } as const;
const JSON_FLAG = { json: { type: "boolean", default: false } } as const;

const [command = "", ...argv] = process.argv.slice(2);
process.title = command === "up" ? "wrenn-supervisor" : `wrenn-${command}`;
try {
  process.exitCode = await main();
} catch (error) {
  const usage = isUsageError(error);
  const { message, stack } = error as Error;
  process.stderr.write(`wrenn ${command}: ${usage || error instanceof WrennError ? message : stack}\n`);
  process.exitCode = usage ? 2 : 1;
}

async function main(): Promise<number> {
  switch (command) {
    case "up":
      return await upCommand();
    case "down":
      return await downCommand();
    case "status":
      return await statusCommand();
    case "logs":
      return await logsCommand();
    case "doctor":
      return await doctorCommand();
    case LOAD_ONLY:
      await import("./up.ts");
      return 0;
    case "--help":
      process.stdout.write(USAGE);
      return 0;
    default:
      process.stderr.write(USAGE);
      return 2;
  }
}

async function upCommand(): Promise<number> {
  const { values } = parseArgs({
    args: argv,
    options: {
      ...SHARED,
      ...LISTEN,
      dns: { type: "string" },
      vmm: { type: "string" },
      memory: { type: "string" },
      detach: { type: "boolean", short: "d", default: false },
    },
  });
  if (values.vmm !== undefined && !VMMS.some((name) => name === values.vmm))
    throw new WrennError("invalid_argument", `--vmm ${values.vmm}: expected one of ${VMMS.join(", ")}`);
  requireRoot();
  const dataDir = dataDirOf(values);
  const options = {
    sourceRoot: SOURCE_ROOT,
    dataDir,
    cacheDir: cacheDirOf(),
    listen: parseListenAddress(values.listen ?? DEFAULT_LISTEN),
    dns: values.dns,
    vmm: values.vmm,
    memory: memoryOf(values),
    databaseUrl: process.env["DATABASE_URL"] || undefined,
  };
  // Each command loads its own code only: `up` stays in memory for as long as the instance runs.
  if (!values.detach) return await (await import("./up.ts")).up(options);
  const { upDetached } = await import("./detach.ts");
  await upDetached(dataDir, [
    ...argv.filter((arg) => arg !== "--detach" && arg !== "-d"),
    "--data-dir",
    dataDir,
  ]);
  return 0;
}

async function downCommand(): Promise<number> {
  const { values } = parseArgs({ args: argv, options: SHARED });
  requireRoot();
  const { down } = await import("./down.ts");
  await down(
    dataDirOf(values),
    lineProgress((line) => process.stderr.write(line)),
  );
  return 0;
}

async function statusCommand(): Promise<number> {
  const { values } = parseArgs({ args: argv, options: { ...SHARED, ...JSON_FLAG } });
  const { formatStatus, statusOf } = await import("./status.ts");
  const status = await statusOf(dataDirOf(values));
  process.stdout.write(values.json ? `${JSON.stringify(status)}\n` : formatStatus(status));
  return status.state === "running" ? 0 : 1;
}

async function logsCommand(): Promise<number> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      ...SHARED,
      follow: { type: "boolean", short: "f", default: false },
      lines: { type: "string", short: "n", default: "20" },
    },
  });
  const lines = Number(values.lines);
  if (!Number.isInteger(lines) || lines < 0 || positionals.length > 1) {
    throw new WrennError("invalid_argument", "expected -n with a whole number, and one process at most");
  }
  const { showLogs } = await import("./logs.ts");
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort());
  await showLogs({
    data: dataLayout(dataDirOf(values)),
    process: positionals[0],
    lines,
    follow: values.follow,
    write: (text) => process.stdout.write(text),
    signal: interrupted.signal,
  });
  return 0;
}

async function doctorCommand(): Promise<number> {
  const { values } = parseArgs({ args: argv, options: { ...SHARED, ...LISTEN, ...JSON_FLAG } });
  requireRoot();
  const { formatReport, runDoctor } = await import("./doctor/doctor.ts");
  const report = await runDoctor({
    dataDir: dataDirOf(values),
    cacheDir: cacheDirOf(),
    listen: parseListenAddress(values.listen ?? DEFAULT_LISTEN),
  });
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : formatReport(report));
  return report.ready ? 0 : 1;
}

function dataDirOf(values: { "data-dir"?: string | undefined }): string {
  return resolve(values["data-dir"] ?? process.env["WRENN_DATA_DIR"] ?? DEFAULT_DATA_DIR);
}

function cacheDirOf(): string {
  return resolve(process.env["WRENN_CACHE_DIR"] ?? DEFAULT_CACHE_DIR);
}

/** Undefined = as the environment says. Throws `invalid_argument`. */
function memoryOf({ memory }: { memory?: string | undefined }): string | undefined {
  if (memory === undefined || ["auto", "shared", "lazy"].includes(memory)) return memory;
  throw new WrennError("invalid_argument", `--memory must be auto, shared or lazy, not ${memory}`);
}

function requireRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new WrennError(
    "forbidden",
    `needs root, for virtual machines and the network: sudo ./wrenn ${command}`,
  );
}

/** Whether the command line was wrong, by parseArgs' or our own judgement. */
function isUsageError(error: unknown): boolean {
  if (error instanceof WrennError) return error.code === "invalid_argument";
  const code = (error as NodeJS.ErrnoException).code;
  return code?.startsWith("ERR_PARSE_ARGS") ?? false;
}
