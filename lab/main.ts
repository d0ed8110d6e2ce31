// `./wrenn lab`: a host with a real /dev/kvm and a real device mapper, as a virtual machine.
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { WrennError } from "@wrenn/core";
import { describeHost, hostAddress } from "./guest/host-agent.ts";
import { shellInLab } from "./guest/shell.ts";
import { startLab } from "./lab.ts";
import { DEFAULT_LAB_DIR, labLayout } from "./layout.ts";
import { endLab } from "./machine/boot.ts";
import { certificatePaths } from "./machine/certificates.ts";
import { findLab, type LabRecord, openLab } from "./machine/record.ts";

const USAGE = `usage: ./wrenn lab [up]         build what is missing, boot, start the host agent inside
       ./wrenn lab shell [-- CMD…]  a shell, or one command, in it
       ./wrenn lab status
       ./wrenn lab down

FIRECRACKER_BIN names a Firecracker to be used inside. WRENN_MEMORY, WRENN_VMM, WRENN_ROOTFS and WRENN_LOG_LEVEL are
those of the host agent inside.

  --dir DIR   where the lab keeps its files (default ${DEFAULT_LAB_DIR}, or WRENN_LAB_DIR)
`;

process.title = "wrenn-lab";
try {
  process.exitCode = await main();
} catch (error) {
  const { message, stack, code } = error as NodeJS.ErrnoException;
  const usage = code?.startsWith("ERR_PARSE_ARGS") ?? false;
  process.stderr.write(`wrenn lab: ${usage || error instanceof WrennError ? message : stack}\n`);
  process.exitCode = usage ? 2 : 1;
}

async function main(): Promise<number> {
  const at = process.argv.indexOf("--");
  const command = at === -1 ? [] : process.argv.slice(at + 1);
  const { values, positionals } = parseArgs({
    args: process.argv.slice(2, at === -1 ? undefined : at),
    allowPositionals: true,
    options: { dir: { type: "string" }, help: { type: "boolean", short: "h", default: false } },
  });
  const [verb = "up", ...others] = positionals;
  const dir = resolve(values.dir ?? process.env["WRENN_LAB_DIR"] ?? DEFAULT_LAB_DIR);
  if (values.help || others.length > 0) return usage(values.help ? 0 : 2);
  if (verb === "up") return await up(dir);
  if (verb === "shell") return await shellInLab(await openLab(dir), command);
  if (verb === "status") return await status(dir);
  if (verb === "down") return await down(dir);
  return usage(2);
}

function usage(status: number): number {
  (status === 0 ? process.stdout : process.stderr).write(USAGE);
  return status;
}

async function up(dir: string): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupted.abort());
  const { record } = await startLab({
    dir,
    cacheDir: resolve(process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn"),
    say: (line) => process.stderr.write(`lab: ${line}\n`),
    firecracker: process.env["FIRECRACKER_BIN"] || undefined,
    signal: interrupted.signal,
  });
  await describe(record);
  return 0;
}

async function status(dir: string): Promise<number> {
  const record = await findLab(dir);
  if (!record) {
    process.stdout.write(`no lab runs in ${dir}\n`);
    return 1;
  }
  await describe(record);
  return 0;
}

async function down(dir: string): Promise<number> {
  const record = await findLab(dir);
  if (record) await endLab(record);
  process.stderr.write(record ? "lab: gone\n" : `lab: none runs in ${dir}\n`);
  return 0;
}

/** What a control plane outside needs to use it, as its settings. */
async function describe(record: LabRecord): Promise<void> {
  const { ca, controlPlane } = certificatePaths(labLayout(record.dir).tls);
  const host = await describeHost(record);
  process.stdout.write(
    [
      `# ${host.hostId}: ${host.vmm}, isolation ${host.isolation}; machine process ${record.process.pid}`,
      `WRENN_HOSTS=${hostAddress(record)}`,
      `WRENN_HOST_TLS_CA=${ca}`,
      `WRENN_HOST_TLS_CERT=${controlPlane.cert}`,
      `WRENN_HOST_TLS_KEY=${controlPlane.key}`,
      "",
    ].join("\n"),
  );
}
