// Making a sandbox.
import { BOUNDS } from "@wrenn/core";
import type { CreateSandboxRequest } from "@wrenn/sdk";
import type { App } from "../app/app.ts";
import { newId } from "../model/new-id.ts";
import { bytes } from "../text/format.ts";
import { openDialog, type Values } from "./dialog.ts";
import type { Field, FieldSpec } from "./field.ts";
import { defined, numberOf, pairsOf, textOf } from "./values.ts";

const DEFAULT_TEMPLATE = "minimal";

/** Asks what to make, from `template` unless another one is chosen, makes it, and selects it. */
export function createSandbox(app: App, template: string = DEFAULT_TEMPLATE): void {
  openDialog({
    title: "New sandbox",
    fields: fieldsFor(app, template),
    verb: "Create",
    doing: "Creating…",
    changed: (fields) => fixSize(app, fields),
    async submit(values) {
      const request = requestOf(app, values);
      const doing = { subject: "a sandbox", doing: "Creating", done: "Created" };
      const made = await app.perform(doing, () =>
        app.client.sandboxes.create(request, { idempotencyKey: newId() }),
      );
      app.sandboxes.put(made);
      app.select(made.id);
    },
  });
}

function fieldsFor(app: App, template: string): FieldSpec[] {
  const templates = app.templates.map(({ name, type, size_bytes }) => {
    return [name, `${name} (${type}, ${bytes(size_bytes)})`] as const;
  });
  const known = templates.some(([name]) => name === template);
  const choices = known ? templates : [[template, template] as const, ...templates];
  const number = (name: keyof typeof BOUNDS, label: string, hint: string): FieldSpec => {
    const { min, max, default: value } = BOUNDS[name];
    return { name, label, kind: "number", isHalf: true, min, max, value, hint };
  };
  return [
    { name: "template", label: "Template or snapshot", kind: "select", value: template, options: choices },
    number("vcpus", "vCPUs", "1 to 8"),
    number("memory_mb", "Memory (MiB)", "128 to 8192"),
    number("disk_mb", "Disk (MiB)", "Sparse: takes what is written"),
    number("timeout_sec", "Time-out (s)", "Of inactivity; 0 for none"),
    choice("on_timeout", "When it times out", [
      ["", "pause if possible, else destroy"],
      ["pause", "pause"],
      ["destroy", "destroy"],
    ]),
    choice("start", "Start", [
      ["", "as fast as possible"],
      ["clone", "clone of the template's memory"],
      ["cold", "cold: boot the kernel"],
    ]),
    choice("min_isolation", "Isolation", [
      ["", "whatever there is"],
      ["kvm", "kvm or refuse"],
    ]),
    {
      name: "metadata",
      label: "Metadata",
      kind: "lines",
      placeholder: "owner=build-42",
      hint: "One key=value a line",
    },
    {
      name: "envs",
      label: "Environment",
      kind: "lines",
      placeholder: "LANG=C.UTF-8",
      hint: "One key=value a line",
    },
  ];
}

function choice(name: string, label: string, options: NonNullable<FieldSpec["options"]>): FieldSpec {
  return { name, label, kind: "select", isHalf: true, options };
}

/** A snapshot's processors, memory and disk are what they were when it was taken. */
const FIXED = ["vcpus", "memory_mb", "disk_mb"] as const;

function fixSize(app: App, fields: ReadonlyMap<string, Field>): void {
  const chosen = app.templates.find(({ name }) => name === fields.get("template")?.value);
  const snapshot = chosen?.type === "snapshot" ? chosen : undefined;
  for (const name of FIXED) {
    const control = fields.get(name)?.control;
    if (!control) continue;
    // The size of its disk is not in the list.
    if (snapshot) control.value = name === "disk_mb" ? "" : String(snapshot[name]);
    else if (control.disabled) control.value = String(BOUNDS[name].default);
    control.disabled = snapshot !== undefined;
  }
}

function requestOf(app: App, values: Values): CreateSandboxRequest {
  const template = textOf(values, "template");
  const isSnapshot = app.templates.some(({ name, type }) => name === template && type === "snapshot");
  return defined({
    template,
    vcpus: isSnapshot ? undefined : numberOf(values, "vcpus"),
    memory_mb: isSnapshot ? undefined : numberOf(values, "memory_mb"),
    disk_mb: isSnapshot ? undefined : numberOf(values, "disk_mb"),
    timeout_sec: numberOf(values, "timeout_sec"),
    on_timeout: textOf(values, "on_timeout"),
    start: textOf(values, "start"),
    min_isolation: textOf(values, "min_isolation"),
    metadata: pairsOf(values, "metadata"),
    envs: pairsOf(values, "envs"),
  }) as CreateSandboxRequest;
}
