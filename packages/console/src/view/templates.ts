// The list of snapshots and base templates.
import type { Template } from "@wrenn/sdk";
import type { App } from "../app/app.ts";
import { deleteTemplate } from "../dialog/actions.ts";
import { createSandbox } from "../dialog/create.ts";
import { button, h, setAttribute, setText } from "../dom/element.ts";
import { type Item, KeyedList } from "../dom/keyed-list.ts";
import { bytes, dayAndTime, mebibytes, plural } from "../text/format.ts";
import { visible } from "../text/visible.ts";
import type { Part } from "./part.ts";

export function templatesPart(app: App): Part {
  const list = h("ul", { class: "rows", "aria-label": "Snapshots and templates" });
  const note = h("p", { class: "empty" });
  const rows = new KeyedList<Template>(
    list,
    ({ name }) => name,
    () => templateRow(app),
  );
  const element = h("div", { class: "pane" }, h("div", { class: "scroll" }, list, note));
  return {
    element,
    update() {
      rows.update(app.templates);
      note.hidden = app.templates.length > 0;
      setText(note, app.isLoaded ? "No templates. `wrenn up` builds the first one." : "Loading…");
    },
  };
}

function templateRow(app: App): Item<Template> {
  let template: Template | undefined;
  const withTemplate = (act: (template: Template) => void) => () => template && act(template);
  const name = h("bdi", { class: "row-id" });
  const type = h("span", { class: "badge" });
  const facts = h("span", { class: "row-facts" });
  const start = button(
    "New sandbox",
    withTemplate((it) => createSandbox(app, it.name)),
  );
  const remove = button(
    "Delete",
    withTemplate((it) => deleteTemplate(app, it)),
    { class: "danger" },
  );
  const buttons = h("span", { class: "row-buttons" }, start, remove);
  return {
    element: h("li", {}, h("div", { class: "row is-static" }, name, type, facts, buttons)),
    update(value) {
      template = value;
      const { vcpus, memory_mb, size_bytes, created_at } = value;
      setText(name, visible(value.name));
      setText(type, app.busy.has(value.name) ? `${app.busy.get(value.name)?.toLowerCase()}…` : value.type);
      setAttribute(type, "data-status", value.type);
      const size = `${bytes(size_bytes)} on disk`;
      const made = dayAndTime(new Date(created_at));
      setText(facts, [plural(vcpus, "vCPU"), mebibytes(memory_mb), size, made].join(" · "));
      setAttribute(start, "aria-label", `New sandbox from ${visible(value.name)}`);
      setAttribute(remove, "aria-label", `Delete ${visible(value.name)}`);
    },
  };
}
