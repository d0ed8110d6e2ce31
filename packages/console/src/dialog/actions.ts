// What is asked before a sandbox is forked, saved, rolled back or destroyed.
import { BOUNDS } from "@wrenn/core";
import type { CreateSnapshotRequest, ForkRequest, Sandbox, Template } from "@wrenn/sdk";
import type { App } from "../app/app.ts";
import { newId } from "../model/new-id.ts";
import { bytes, dayAndTime, plural } from "../text/format.ts";
import { FieldError, openDialog } from "./dialog.ts";
import { defined, numberOf, pairsOf, textOf } from "./values.ts";

export function forkSandbox(app: App, { id }: Sandbox): void {
  const { min, max } = BOUNDS.fork_count;
  openDialog({
    title: "Fork",
    text: `Copies ${id} as it stands, with its memory and its processes. It goes on running.`,
    fields: [
      {
        name: "count",
        label: "Copies",
        kind: "number",
        value: 1,
        min,
        max,
        hint: `${min} to ${max}: all or none`,
      },
      {
        name: "metadata",
        label: "Metadata",
        kind: "lines",
        hint: "One key=value a line. Empty: as the source's",
      },
    ],
    verb: "Fork",
    doing: "Forking…",
    async submit(values) {
      const request = defined({ count: numberOf(values, "count"), metadata: pairsOf(values, "metadata") });
      const copies = await app.perform({ subject: id, doing: "Forking", done: "Forked" }, () =>
        app.client.sandboxes.fork(id, request as ForkRequest, { idempotencyKey: newId() }),
      );
      for (const copy of copies) app.sandboxes.put(copy);
      app.render();
    },
  });
}

export function snapshotSandbox(app: App, { id, status }: Sandbox): void {
  openDialog({
    title: "New snapshot",
    text: `Saves the disk and the memory of ${id} under a name, to make sandboxes from or to go back to.`,
    fields: [
      {
        name: "name",
        label: "Name",
        kind: "text",
        placeholder: "template-1a2b3c4d",
        hint: "Empty: one is made up",
      },
      ...(status === "running"
        ? [
            {
              name: "leave",
              label: "The sandbox afterwards",
              kind: "select",
              options: [
                ["running", "goes on running"],
                ["paused", "is paused"],
              ],
            } as const,
          ]
        : []),
      { name: "overwrite", label: "Replace a snapshot of that name", kind: "checkbox" },
    ],
    verb: "Take snapshot",
    doing: "Saving…",
    async submit(values) {
      const request = defined({
        sandbox_id: id,
        name: textOf(values, "name"),
        leave: textOf(values, "leave"),
      });
      const overwrite = values.get("overwrite") === "true";
      await app.perform({ subject: id, doing: "Saving", done: "Took a snapshot of" }, () =>
        app.client.snapshots.create(request as CreateSnapshotRequest, {
          ...(overwrite && { overwrite }),
          idempotencyKey: newId(),
        }),
      );
    },
  });
}

export function restoreSandbox(app: App, { id }: Sandbox): void {
  const options = app.templates.map(({ name, type, created_at }) => {
    return [name, `${name} (${type}, ${dayAndTime(new Date(created_at))})`] as const;
  });
  openDialog({
    title: "Restore",
    text: `Rolls ${id} back to a snapshot or template, in place. What it has in memory and on disk now is lost.`,
    fields: [{ name: "snapshot", label: "Snapshot or template", kind: "select", options }],
    verb: "Restore",
    doing: "Restoring…",
    isDestructive: true,
    async submit(values) {
      const snapshot = textOf(values, "snapshot");
      if (snapshot === undefined) throw new FieldError("snapshot", "there is nothing to go back to");
      const restored = await app.perform({ subject: id, doing: "Restoring", done: "Restored" }, () =>
        app.client.sandboxes.restore(id, { snapshot }, { idempotencyKey: newId() }),
      );
      app.sandboxes.put(restored);
    },
  });
}

export function resumeCold(app: App, { id }: Sandbox): void {
  openDialog({
    title: "Boot from the saved disk?",
    text: `${id} starts anew from its disk. The memory that was saved, and with it its processes, is lost.`,
    verb: "Boot",
    doing: "Booting…",
    isDestructive: true,
    async submit() {
      const booted = await app.perform({ subject: id, doing: "Booting", done: "Booted" }, () =>
        app.client.sandboxes.resume(id, { start: "cold" }, { idempotencyKey: newId() }),
      );
      app.sandboxes.put(booted);
    },
  });
}

export function destroySandbox(app: App, { id, status }: Sandbox): void {
  const runs = app.runsOf(id).filter(({ isOver }) => !isOver).length;
  openDialog({
    title: "Destroy this sandbox?",
    text:
      (status === "stopped"
        ? `What was kept of ${id} is deleted, for good.`
        : `${id} is stopped and its disk is deleted, for good.`) +
      (runs > 0
        ? ` ${plural(runs, "command")} started here still ${runs === 1 ? "runs" : "run"} in it.`
        : ""),
    verb: "Destroy",
    doing: "Destroying…",
    isDestructive: true,
    async submit() {
      await app.perform({ subject: id, doing: "Destroying", done: "Destroyed" }, () =>
        app.client.sandboxes.delete(id),
      );
      app.sandboxes.markDeleted(id, new Date(app.clock.now()));
    },
  });
}

export function deleteTemplate(app: App, { name, type, size_bytes }: Template): void {
  openDialog({
    title: type === "base" ? "Delete this template?" : "Delete this snapshot?",
    text: `${name} (${bytes(size_bytes)}) can then not be started from any more. Sandboxes made from it live on.`,
    verb: "Delete",
    doing: "Deleting…",
    isDestructive: true,
    async submit() {
      await app.perform({ subject: name, doing: "Deleting", done: "Deleted" }, () =>
        app.client.snapshots.delete(name),
      );
    },
  });
}
