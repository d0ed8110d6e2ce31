// Light, dark, or as the system is.
import { h, on, setAttribute } from "../dom/element.ts";

const ITEM = "wrenn-theme";
const THEMES = [
  ["", "System"],
  ["light", "Light"],
  ["dark", "Dark"],
] as const;

export function themeSwitch(): HTMLElement {
  const select = h(
    "select",
    { "aria-label": "Theme", class: "quiet" },
    ...THEMES.map(([value, label]) => h("option", { value }, label)),
  );
  select.value = localStorage.getItem(ITEM) ?? "";
  return on(select, {
    change: () => {
      localStorage.setItem(ITEM, select.value);
      applyTheme();
    },
  });
}

/** Makes the page look as was chosen. */
export function applyTheme(): void {
  const theme = localStorage.getItem(ITEM);
  setAttribute(document.documentElement, "data-theme", theme || undefined);
}
