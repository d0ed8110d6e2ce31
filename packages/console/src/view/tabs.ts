// Parts behind tabs (the pattern "Tabs" of the ARIA Authoring Practices).
import { h, on, setAttribute, setText } from "../dom/element.ts";
import type { Part } from "./part.ts";

export interface Tab {
  name: string;
  title: () => string;
  part: Part;
}

export function tabs(all: readonly Tab[], label: string): Part {
  let chosen = all[0];
  const buttons = all.map((tab) => {
    const ids = { id: `tab-${tab.name}`, "aria-controls": `panel-${tab.name}` };
    return on(h("button", { type: "button", role: "tab", ...ids }), { click: () => choose(tab) });
  });
  const panels = all.map(({ name, part }) =>
    h("div", { role: "tabpanel", id: `panel-${name}`, "aria-labelledby": `tab-${name}` }, part.element),
  );
  const bar = h("div", { role: "tablist", "aria-label": label, class: "tabs" }, ...buttons);
  on(bar, {
    keydown: ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (step === undefined || !chosen) return;
      const at = (all.indexOf(chosen) + step + all.length) % all.length;
      const next = all[at];
      if (next) choose(next);
      buttons[at]?.focus();
    },
  });

  function choose(tab: Tab): void {
    chosen = tab;
    update();
  }

  function update(): void {
    for (const [index, tab] of all.entries()) {
      const [tabButton, panel] = [buttons[index], panels[index]];
      if (!tabButton || !panel) continue;
      setText(tabButton, tab.title());
      setAttribute(tabButton, "aria-selected", tab === chosen ? "true" : "false");
      tabButton.tabIndex = tab === chosen ? 0 : -1;
      panel.hidden = tab !== chosen;
      if (tab === chosen) tab.part.update();
    }
  }

  return { element: h("div", { class: "tabbed" }, bar, ...panels), update };
}
