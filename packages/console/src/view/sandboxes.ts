// The list of sandboxes, with a filter.
import type { Sandbox } from "@wrenn/sdk";
import { type App, MOST_LISTED } from "../app/app.ts";
import { createSandbox } from "../dialog/create.ts";
import { button, h, on, setText } from "../dom/element.ts";
import { KeyedList } from "../dom/keyed-list.ts";
import { isOver } from "../model/abilities.ts";
import { matches } from "../model/sandbox-list.ts";
import { plural } from "../text/format.ts";
import type { Part } from "./part.ts";
import { roving } from "./roving.ts";
import { sandboxRow } from "./sandbox-row.ts";

/** Rows that are drawn at first, and added with each press of "Show more". */
const PAGE = 100;

export function sandboxesPart(app: App): Part {
  const filter = h("input", { type: "search", placeholder: "Filter", "aria-label": "Filter sandboxes" });
  const withStopped = h("input", { type: "checkbox", id: "with-stopped" });
  const list = h("ul", { class: "rows", "aria-label": "Sandboxes" });
  const note = h("p", { class: "empty" });
  const cut = h("p", { class: "hint" });
  let shown = PAGE;
  const more = button("Show more", () => {
    shown += PAGE;
    update();
  });
  const rows = new KeyedList<Sandbox>(
    list,
    ({ id }) => id,
    (sandbox) => sandboxRow(app, sandbox),
  );
  const updateStops = roving(list, (row) => row.dataset["id"] === app.selected);
  for (const control of [filter, withStopped]) {
    on(control, {
      input: () => {
        shown = PAGE;
        update();
      },
    });
  }

  function update(): void {
    const all = app.sandboxes.all();
    // The selected one stays in sight when it has stopped, so that one sees that it has.
    const candidates = all.filter(
      ({ id, status }) => withStopped.checked || !isOver(status) || id === app.selected,
    );
    const found = candidates.filter((sandbox) => matches(sandbox, filter.value));
    rows.update(found.slice(0, shown));
    updateStops();
    const hidden = Math.max(0, found.length - shown);
    more.hidden = hidden === 0;
    setText(more, `Show more (${plural(hidden, "is", "are")} hidden)`);
    setText(note, emptyText(app, candidates.length, found.length));
    note.hidden = found.length > 0;
    setText(cut, `Only the newest ${MOST_LISTED} are shown.`);
    cut.hidden = !app.isCut;
  }

  const element = h(
    "div",
    { class: "pane" },
    h(
      "div",
      { class: "tools" },
      filter,
      h("span", { class: "check" }, withStopped, h("label", { for: "with-stopped" }, "Stopped")),
      button("New sandbox", () => createSandbox(app), { class: "primary" }),
    ),
    h("div", { class: "scroll" }, list, note, more, cut),
  );
  return { element, update };
}

function emptyText(app: App, candidates: number, found: number): string {
  if (found > 0) return "";
  if (!app.isLoaded) return app.failure === undefined ? "Loading…" : "Nothing could be loaded yet.";
  return candidates > 0 ? "No sandbox matches the filter." : "No sandboxes. Create the first one.";
}
