// One sandbox in the list.
import type { Sandbox } from "@wrenn/sdk";
import type { App } from "../app/app.ts";
import { h, on, setAttribute, setText } from "../dom/element.ts";
import type { Item } from "../dom/keyed-list.ts";
import { left, mebibytes, plural } from "../text/format.ts";
import { visible } from "../text/visible.ts";
import { badge } from "./badge.ts";
import { labels } from "./labels.ts";

export function sandboxRow(app: App, { id }: Sandbox): Item<Sandbox> {
  const status = badge();
  const ttl = h("span", { class: "row-ttl" });
  const facts = h("span", { class: "row-facts" });
  const tags = labels();
  const row = h(
    "button",
    { type: "button", class: "row", "data-id": id },
    h("span", { class: "row-id" }, id),
    status.element,
    facts,
    ttl,
    tags.element,
  );
  on(row, { click: () => app.select(id) });
  return {
    element: h("li", {}, row),
    update(sandbox) {
      const { template, vcpus, memory_mb, isolation, expires_at, metadata } = sandbox;
      status.set(sandbox.status, app.busy.get(id));
      setText(facts, [visible(template), plural(vcpus, "vCPU"), mebibytes(memory_mb), isolation].join(" · "));
      setText(ttl, expires_at === undefined ? "" : `${left(Date.parse(expires_at) - app.clock.now())} left`);
      setAttribute(ttl, "title", expires_at && "until the time-out");
      tags.set(metadata);
      setAttribute(row, "aria-current", id === app.selected && "true");
    },
  };
}
