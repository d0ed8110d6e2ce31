// Builds from steps: a sandbox of the parent template, the steps in it, and a snapshot of it under the template's name.
import { setTimeout as delay } from "node:timers/promises";
import { WrennError } from "@wrenn/core";
import type { SandboxRow } from "../../db/schema.ts";
import type { HostDirectory } from "../../hosts/directory.ts";
import { GuestAgent } from "../../hosts/guest-agent.ts";
import type { HostClient } from "../../hosts/host-client.ts";
import type { AccessService } from "../access.ts";
import type { Caller } from "../caller.ts";
import type { InFlight } from "../in-flight.ts";
import type { SandboxService } from "../sandboxes.ts";
import type { SnapshotService } from "../snapshots.ts";
import type { TemplateService } from "../templates.ts";
import { begin } from "./begin.ts";
import type { StepBuildRecord } from "./build-log.ts";
import { copyIntoGuest } from "./copy.ts";
import { CommandFailed, runInGuest, startInGuest } from "./guest-shell.ts";
import type { Layers } from "./layers.ts";
import { BUILD_SEC, type PlannedStep, type Step, type Surroundings } from "./plan.ts";
import type { Uploads } from "./uploads.ts";

/** How often, and how long, a template's start command is asked whether it is ready. */
const READY_EVERY_MS = 2_000;
const READY_MS = 10 * 60_000;

/** An image to begin with. */
export interface ImageOrder {
  reference: string;
  username: string;
  password: string;
}

export interface BuildOrder {
  /** Name of a template or snapshot that the caller may use, or an image. */
  parent: string | ImageOrder;
  vcpus?: number | undefined;
  memoryMb?: number | undefined;
  steps: readonly Step[];
  /** What the first step finds. */
  start: Surroundings;
  startCommand: string | undefined;
  readyCommand: string | undefined;
  /** Every step is carried out, cached or not. */
  force: boolean;
}

export interface BuilderContext {
  inFlight: InFlight;
  worker: number;
  hosts: HostDirectory;
  sandboxes: SandboxService;
  templates: TemplateService;
  snapshots: SnapshotService;
  layers: Layers;
  access: AccessService;
  uploads: Uploads;
}

/** Carries a build out and notes its course in the record. Never throws; leaves no sandbox behind. */
export async function carryOut(
  context: BuilderContext,
  caller: Caller,
  record: StepBuildRecord,
  order: BuildOrder,
): Promise<void> {
  const { sandboxes } = context;
  let sandbox: SandboxRow | undefined;
  let step: string | undefined = "base";
  try {
    record.status = "building";
    record.log(
      "info",
      `FROM ${typeof order.parent === "string" ? order.parent : order.parent.reference}`,
      step,
    );
    const begun = await begin({ context, caller, record, order });
    sandbox = begun.sandbox;
    const { steps, surroundings } = begun.plan;
    const site = await openSite(context, caller, sandbox);
    try {
      for (const [at, planned] of steps.entries()) {
        step = String(at + 1);
        const cached = at < begun.done;
        record.log("info", `${cached ? "CACHED " : ""}[${step}/${steps.length}] ${planned.title}`, step);
        if (cached || !planned.action) continue;
        await carryOutStep({ context, caller, record, site, planned, step });
        await context.layers.keep(caller, sandbox, begun.keys[at] ?? "");
      }
      step = "finalize";
      await finalize(site, record, { ...order, surroundings });
    } finally {
      site.guest.close();
    }
    const request = { sandbox_id: sandbox.id, name: record.template };
    const { user, workdir, envs } = surroundings;
    // The one variable that a child's steps build on by name; the others reach them from the guest.
    const path = envs["PATH"] === undefined ? {} : { envs: { PATH: envs["PATH"] } };
    await context.snapshots.create(caller, request, {
      overwrite: true,
      tags: record.tags,
      config: { user, workdir, ...path },
    });
    record.log("info", `template ${record.template} is ready`, step);
  } catch (reason) {
    const { message } = WrennError.from(
      reason,
      "the build failed for a reason that is in the platform's log",
    );
    record.log("error", message, step);
    record.failure = { message, step };
  }
  if (sandbox) await sandboxes.destroy(caller, sandbox).catch(() => undefined);
  record.status = record.failure ? "error" : "ready";
}

/** Where a build takes place. */
interface Site {
  host: HostClient;
  guest: GuestAgent;
  sandboxId: string;
  endsAt: number;
}

async function openSite({ hosts, access }: BuilderContext, caller: Caller, row: SandboxRow): Promise<Site> {
  const host = hosts.get(row.host_id).client;
  const { token } = await access.of(caller, row);
  const guest = new GuestAgent(host, { sandboxId: row.id, requestId: caller.requestId, token });
  return { host, guest, sandboxId: row.id, endsAt: Date.now() + BUILD_SEC * 1000 };
}

async function carryOutStep(parts: {
  context: BuilderContext;
  caller: Caller;
  record: StepBuildRecord;
  site: Site;
  planned: PlannedStep;
  step: string;
}): Promise<void> {
  const { context, caller, record, site, planned, step } = parts;
  const { action } = planned;
  const onLine = (line: string, stream: "stdout" | "stderr" = "stdout") =>
    record.log(stream === "stderr" ? "warn" : "info", `[${stream}]: ${line}`, step);
  if (action?.type === "copy") {
    const bytes = context.uploads.read(caller.owner, action.filesHash);
    const { host, guest, sandboxId } = site;
    await copyIntoGuest({ action, bytes, host, guest, sandboxId, requestId: caller.requestId }, onLine);
  } else if (action?.type === "run") {
    const { command, surroundings } = action;
    const timeoutMs = Math.max(1, site.endsAt - Date.now());
    await runInGuest(site.guest, { script: command, surroundings, timeoutMs }, onLine);
  }
}

/** What the template's sandboxes begin with: defaults, and the start command once it is ready. */
async function finalize(
  { guest, endsAt }: Site,
  record: StepBuildRecord,
  {
    surroundings,
    startCommand,
    readyCommand,
  }: Pick<BuildOrder, "startCommand" | "readyCommand"> & { surroundings: Surroundings },
): Promise<void> {
  const { user: defaultUser, workdir: defaultWorkdir, envs: envVars } = surroundings;
  await guest.setDefaults({ envVars, defaultUser, defaultWorkdir });
  if (startCommand) {
    record.log("info", `starting: ${startCommand}`, "finalize");
    await startInGuest(guest, { script: startCommand, surroundings });
  }
  const ready = readyCommand || (startCommand ? "sleep 20" : "");
  if (ready === "") return;
  record.log("info", `waiting until this succeeds: ${ready}`, "finalize");
  const until = Math.min(endsAt, Date.now() + READY_MS);
  for (;;) {
    try {
      const timeoutMs = Math.max(1, until - Date.now());
      await runInGuest(guest, { script: ready, surroundings, timeoutMs }, () => undefined);
      return;
    } catch (reason) {
      if (!(reason instanceof CommandFailed)) throw reason;
      if (Date.now() + READY_EVERY_MS > until)
        throw new CommandFailed(`it did not become ready: ${reason.message}`);
    }
    await delay(READY_EVERY_MS);
  }
}
