// The head of the page: whether the service is well, when it was last asked, how the page looks.
import type { App } from "../app/app.ts";
import { button, h, on, setAttribute, setText } from "../dom/element.ts";
import { ago, plural } from "../text/format.ts";
import type { Part } from "./part.ts";
import { themeSwitch } from "./theme.ts";

export function headerPart(app: App, signOut: () => void): Part {
  const health = h("span", { class: "badge" });
  const updated = h("span", { class: "hint updated" });
  const auto = h("input", { type: "checkbox", id: "auto-refresh", checked: true });
  on(auto, {
    input: () => {
      app.refresher.enabled = auto.checked;
    },
  });
  const element = h(
    "header",
    { class: "page-head" },
    logo(),
    health,
    h("span", { class: "push" }),
    updated,
    h("span", { class: "check" }, auto, h("label", { for: "auto-refresh" }, "Auto-refresh")),
    button("Refresh", () => app.refresher.now()),
    themeSwitch(),
    h("a", { href: "docs", class: "button quiet" }, "API"),
    button("Sign out", signOut, { class: "quiet" }),
  );
  return {
    element,
    update() {
      const { health: known, failure, updatedAt } = app;
      setText(health, healthText(app));
      setAttribute(health, "data-status", failure !== undefined ? "error" : known ? "running" : "moving");
      setAttribute(health, "title", failure);
      setText(updated, updatedAt === undefined ? "" : `updated ${ago(Date.now() - updatedAt)}`);
    },
  };
}

/** The name of the page with its sign. */
export function logo(): HTMLElement {
  const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]")?.href ?? "";
  return h("h1", { class: "logo" }, h("img", { src: icon, alt: "", width: 28, height: 28 }), "Wrenn Sandbox");
}

function healthText({ health, failure, isLoaded }: App): string {
  if (failure !== undefined) return "not reachable, trying again";
  if (health) return `healthy · ${plural(health.hosts, "host")} · v${health.version}`;
  return isLoaded ? "no host answers" : "connecting…";
}
