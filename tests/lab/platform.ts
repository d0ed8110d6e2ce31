// A control plane outside the lab, and the lab's host agent behind it: what tests in this folder speak to.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newToken, Scope } from "@wrenn/core";
import { type Sandbox, WrennClient } from "@wrenn/sdk";
import { pino } from "pino";
import { hostAddress } from "../../lab/guest/host-agent.ts";
import { LabGuest } from "../../lab/guest/lab-guest.ts";
import { labLayout } from "../../lab/layout.ts";
import { certificatePaths } from "../../lab/machine/certificates.ts";
import { type LabRecord, openLab } from "../../lab/machine/record.ts";
import { readConfig } from "../../packages/control-plane/src/config/config.ts";
import { startControlPlane } from "../../packages/control-plane/src/control-plane.ts";
import { testDatabase } from "../db/database.ts";

export interface LabPlatform extends AsyncDisposable {
  lab: LabRecord;
  /** The inside of the lab. */
  guest: LabGuest;
  client: WrennClient;
  /** Makes a sandbox from the template `minimal`, of the size that a booted copy is kept for. */
  sandbox(request?: Parameters<WrennClient["sandboxes"]["create"]>[0]): Promise<Sandbox>;
}

/** Names the lab that the suite has started. */
export function labOfSuite(): Promise<LabRecord> {
  const dir = process.env["WRENN_LAB_DIR"];
  if (!dir) throw new Error("these tests run in a lab: ./wrenn test --lab");
  return openLab(dir);
}

/** Creates and resumes are slow in there, so nothing gives up on them before the host agent does. */
const SETTINGS = {
  WRENN_LISTEN: "127.0.0.1:0",
  WRENN_CREATE_TIMEOUT_MS: "600000",
  WRENN_DESCRIBE_MS: "60000",
  WRENN_REPORTS_MS: "500",
};

export async function labPlatform(): Promise<LabPlatform> {
  const lab = await labOfSuite();
  await using scope = new Scope();
  const guest = await scope.take(
    "lab",
    () => new LabGuest(lab),
    (made) => made[Symbol.dispose](),
  );
  const database = await scope.take(
    "database",
    testDatabase,
    async (made) => await made[Symbol.asyncDispose](),
  );
  const dir = await mkdtemp(join(tmpdir(), "wrenn-lab-cp-"));
  scope.defer("directory", () => rm(dir, { recursive: true, force: true }));
  const key = `wrn_${newToken()}`;
  await writeFile(join(dir, "key"), `${key}\n`, { mode: 0o600 });
  const { ca, controlPlane } = certificatePaths(labLayout(lab.dir).tls);
  const config = readConfig({
    ...SETTINGS,
    DATABASE_URL: database.url,
    WRENN_BOOTSTRAP_KEY_FILE: join(dir, "key"),
    WRENN_HOSTS: hostAddress(lab),
    WRENN_HOST_TLS_CA: ca,
    WRENN_HOST_TLS_CERT: controlPlane.cert,
    WRENN_HOST_TLS_KEY: controlPlane.key,
  });
  const log = pino({ level: process.env["WRENN_LOG_LEVEL"] ?? "silent" });
  const running = await scope.take(
    "control plane",
    () => startControlPlane(config, log),
    (made) => made.close(),
  );
  const client = new WrennClient({ url: running.url, apiKey: key });
  await client.templates.ensure("minimal");
  const held = scope.move();
  return {
    lab,
    guest,
    client,
    sandbox: (request = {}) => client.sandboxes.create({ template: "minimal", timeout_sec: 0, ...request }),
    [Symbol.asyncDispose]: () => held.close(),
  };
}
