// The status of a sandbox: a colour for those who see it, the word for everyone.
import { h, setAttribute, setText } from "../dom/element.ts";

/** A badge, and how to set it; `doing` is what is being done to it from here. */
export function badge(): { element: HTMLElement; set(status: string, doing?: string): void } {
  const element = h("span", { class: "badge" });
  return {
    element,
    set(status, doing) {
      setText(element, doing === undefined ? status : `${doing.toLowerCase()}…`);
      setAttribute(element, "data-status", doing === undefined ? status : "moving");
    },
  };
}
