// The log of what was asked of the service, newest first.
import type { App } from "../app/app.ts";
import { button, type Child, h, on, setAttribute, setText } from "../dom/element.ts";
import { type Item, KeyedList } from "../dom/keyed-list.ts";
import type { Activity } from "../model/activity.ts";
import { plural, timeOfDay, took } from "../text/format.ts";
import { visible } from "../text/visible.ts";
import type { Part } from "./part.ts";

export function activityPart(app: App): Part {
  const withReads = h("input", { type: "checkbox", id: "with-reads" });
  on(withReads, { input: update });
  const count = h("span", { class: "hint" });
  const body = h("tbody", { role: "rowgroup" });
  const table = h(
    "table",
    { "aria-label": "Calls, newest first", role: "table" },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...COLUMNS.map(columnHead))),
    body,
  );
  const note = h(
    "p",
    { class: "empty" },
    "Nothing yet. Every call that this page makes is listed here with its time.",
  );
  const rows = new KeyedList<Activity>(body, ({ number }) => String(number), activityRow);
  const clear = button("Clear", () => app.log.clear(), { class: "quiet" });
  const tools = h(
    "div",
    { class: "tools" },
    h("h2", {}, "Activity"),
    count,
    h("span", { class: "check push" }, withReads, h("label", { for: "with-reads" }, "Reads too")),
    clear,
  );
  const scroll = h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Activity log" },
    table,
    note,
  );

  function update(): void {
    const entries = app.log.entries(withReads.checked);
    rows.update(entries);
    const failed = entries.filter(({ outcome }) => outcome?.ok === false).length;
    setText(count, `${plural(entries.length, "call")}${failed > 0 ? `, ${failed} failed` : ""}`);
    table.hidden = entries.length === 0;
    note.hidden = entries.length > 0;
  }

  return { element: h("section", { class: "card log", "aria-label": "Activity" }, tools, scroll), update };
}

const COLUMNS = ["Time", "Call", "Outcome", "Took", "Detail", "Request id"];

// Narrow windows lay the table out as blocks, which would take its roles away: they are given by name.
function columnHead(title: string): HTMLElement {
  return h("th", { scope: "col", role: "columnheader" }, title);
}

function cell(name: string, ...children: Child[]): HTMLElement {
  return h("td", { class: name, role: "cell" }, ...children);
}

function activityRow({ at, method, path }: Activity): Item<Activity> {
  const [time, call] = [
    cell("time number", timeOfDay(at)),
    cell("call", h("b", {}, method), " ", visible(path)),
  ];
  const [result, ms] = [cell("result"), cell("took number")];
  const [detail, requestId] = [cell("detail-text"), cell("request-id")];
  const element = h("tr", { role: "row" }, time, call, result, ms, detail, requestId);
  return {
    element,
    update({ outcome }) {
      setText(result, outcome ? visible(outcome.result) : "under way…");
      setText(ms, outcome ? took(outcome.ms) : "");
      setText(detail, visible(outcome?.detail ?? ""));
      setText(requestId, outcome?.requestId ?? "");
      setAttribute(element, "data-outcome", outcome ? (outcome.ok ? "ok" : "failed") : "open");
    },
  };
}
