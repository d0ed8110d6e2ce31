// How a new sandbox begins: as a clone of a template's snapshot where there is one, else by booting.
import { assertSandboxId, BOUNDS, newSandboxId, WrennError } from "@wrenn/core";
import type { Egress } from "@wrenn/linux";
import type { Logger } from "pino";
import type { BaseTemplate, SnapshotTemplate, Template, TemplateRegistry } from "../template/registry.ts";
import { rootImage, type Shape, type WarmTemplates } from "../template/warm.ts";
import type { HostContext } from "./context.ts";
import { type Beginning, beginLife } from "./life.ts";
import { type SandboxRecord, startingRecord } from "./record.ts";
import { cloneOf, fromDiskOf, savedAs } from "./resume.ts";
import type { Running, Sandbox } from "./sandbox.ts";

export interface CreateSpec {
  /** Empty = a new one. */
  id: string;
  template: string;
  vcpus: number;
  memoryMb: number;
  /** 0 = the template's, or the default. */
  diskMb: number;
  timeoutSec: number;
  ttlMode: SandboxRecord["ttlMode"];
  onTimeout: "pause" | "destroy";
  envs: Record<string, string>;
  egress?: Egress;
  /** `auto`: a clone where there is something to clone, else a boot, with a copy kept for the next one. */
  start: "auto" | "clone" | "cold";
}

export interface Templates {
  registry: TemplateRegistry;
  warm: WarmTemplates;
}

/**
 * Begins the first life of a sandbox. A clone that fails is tried again as a boot, unless a clone was asked for; the booted
 * copy that it was made of is made anew. One that is damaged is forgotten, and what was asked for is begun once more.
 */
export async function beginNew(
  context: HostContext,
  templates: Templates,
  sandbox: Sandbox,
  { template, start, again = true }: { template: Template; start: CreateSpec["start"]; again?: boolean },
  log: Logger,
): Promise<Running> {
  const { record } = sandbox;
  let beginning: Beginning | undefined;
  try {
    beginning = await chooseBeginning(context, templates, { template, start, record });
    return await adoptBeginning(context, sandbox, beginning, log);
  } catch (reason) {
    const { code } = WrennError.from(reason);
    if (template.type !== "base" || sandbox.gone.signal.aborted) throw reason;
    if (code === "snapshot_damaged" && again) {
      log.error({ err: reason, template: template.name }, "a booted copy is damaged; it is made anew");
      const left = await templates.warm.forget(template, record);
      return await beginNew(context, templates, sandbox, { template: left, start, again: false }, log);
    }
    if (beginning?.kind !== "saved" || code === "capacity") throw reason;
    // It may hold a guest that does not come to itself: it is used until the new one takes its place.
    templates.warm.makeSoon(template, shapeOf(record));
    if (start !== "auto") throw reason;
    log.warn({ err: reason }, "could not clone; booting instead");
    return await adoptBeginning(context, sandbox, await boot(templates, template, record), log);
  }
}

/** Begins a life and makes the record's generation and layers those that it began from. */
export async function adoptBeginning(
  context: HostContext,
  sandbox: Sandbox,
  beginning: Beginning,
  log: Logger,
): Promise<Running> {
  const { layers, diskMb } = beginning;
  const snapshot = beginning.kind === "saved" ? beginning.snapshot.id : null;
  await sandbox.update(context.dataDir, { layers, diskMb, snapshot, own: false });
  // Its name may have gone since it was looked up; from here on the record keeps it.
  if (snapshot !== null) savedAs(context, snapshot);
  return await beginLife(context, sandbox, beginning, log);
}

async function chooseBeginning(
  context: HostContext,
  { registry, warm }: Templates,
  { template, start, record }: { template: Template; start: CreateSpec["start"]; record: SandboxRecord },
): Promise<Beginning> {
  if (template.type === "snapshot") {
    if (start === "cold") return fromDiskOf(diskOf(context, template), await registry.guestImages());
    return await cloneOf(context, template.snapshot);
  }
  if (start !== "cold") {
    const shape = shapeOf(record);
    const id =
      (await warm.find(template, shape)) ??
      (start === "clone" ? await warm.make(template, shape) : undefined);
    if (id !== undefined) return await cloneOf(context, id);
    warm.makeSoon(template, shape);
  }
  return await boot({ registry, warm }, template, record);
}

function shapeOf({ vcpus, memoryMb, diskMb }: Shape): Shape {
  return { vcpus, memoryMb, diskMb };
}

/** Its own record of the disk; one of an earlier version has none. */
function diskOf({ snapshots }: HostContext, { layers, diskMb, snapshot }: SnapshotTemplate) {
  return { layers: layers ?? snapshots.get(snapshot).manifest.disk, diskMb };
}

async function boot(
  { registry }: Templates,
  template: BaseTemplate,
  { diskMb }: Pick<SandboxRecord, "diskMb">,
): Promise<Beginning> {
  return {
    kind: "cold",
    guest: await registry.guestImages(),
    layers: [{ kind: "image", name: rootImage(template, diskMb) }],
    diskMb,
  };
}

/** Keeps what a template is made of until the function that is returned is called. */
export function holdContent({ snapshots, storage }: HostContext, template: Template): () => void {
  // One that cannot be read is not collected either, and its disk may be asked for.
  const isHeld = template.type === "snapshot" && snapshots.has(template.snapshot);
  return isHeld ? storage.hold(template.snapshot) : () => {};
}

/** The record of a sandbox to be. Throws `invalid_argument` naming the field that does not fit. */
export function newRecord(spec: CreateSpec, template: Template): SandboxRecord {
  if (spec.id !== "") assertSandboxId(spec.id);
  const record = startingRecord({
    id: spec.id === "" ? newSandboxId() : spec.id,
    template: spec.template,
    vcpus: spec.vcpus,
    memoryMb: spec.memoryMb,
    diskMb:
      spec.diskMb !== 0 ? spec.diskMb : template.type === "base" ? BOUNDS.disk_mb.default : template.diskMb,
    timeoutSec: spec.timeoutSec,
    ttlMode: spec.ttlMode,
    onTimeout: spec.onTimeout,
    envs: spec.envs,
    ...(spec.egress && { egress: spec.egress }),
  });
  assertBounds({
    vcpus: record.vcpus,
    memory_mb: record.memoryMb,
    disk_mb: record.diskMb,
    timeout_sec: record.timeoutSec,
  });
  assertShape(record, template);
  return record;
}

/** The control plane has checked these already; the agent runs as root and checks again. */
export function assertBounds(values: Partial<Record<keyof typeof BOUNDS, number>>): void {
  for (const [field, value] of Object.entries(values) as [keyof typeof BOUNDS, number][]) {
    const { min, max } = BOUNDS[field];
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new WrennError("invalid_argument", `${field} must be a whole number from ${min} to ${max}`, {
        field,
      });
    }
  }
}

/** A base image needs its room; a snapshot has the processors, the memory and the disk that it has. */
export function assertShape(
  record: Pick<SandboxRecord, "vcpus" | "memoryMb" | "diskMb" | "template">,
  template: Template,
): void {
  if (template.type === "base") {
    if (record.diskMb >= template.minDiskMb) return;
    throw new WrennError(
      "invalid_argument",
      `disk_mb must be at least ${template.minDiskMb}: template ${template.name} needs that much`,
      { field: "disk_mb" },
    );
  }
  const fixed = { vcpus: template.vcpus, memory_mb: template.memoryMb, disk_mb: template.diskMb };
  const asked = { vcpus: record.vcpus, memory_mb: record.memoryMb, disk_mb: record.diskMb };
  for (const field of ["vcpus", "memory_mb", "disk_mb"] as const) {
    if (asked[field] !== fixed[field]) {
      throw new WrennError(
        "invalid_argument",
        `snapshot ${template.name} fixes ${field} at ${fixed[field]}`,
        {
          field,
        },
      );
    }
  }
}
