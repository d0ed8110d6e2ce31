// What a screen reader is told when something has happened elsewhere on the page.
import { h } from "./element.ts";

const region = h("div", { role: "status", "aria-live": "polite", class: "only-read" });

/** Puts the region into the page. */
export function mountAnnouncer(): void {
  document.body.append(region);
}

/** Says a short sentence. */
export function announce(text: string): void {
  region.textContent = text;
}
