// A list of buttons as one stop of the Tab key: arrows, Home and End move inside.
import { on } from "../dom/element.ts";

/** Makes the buttons in `container` one stop. Call the result when they have changed. */
export function roving(container: HTMLElement, isChosen: (button: HTMLElement) => boolean): () => void {
  const buttons = () => [...container.querySelectorAll("button")];
  on(container, {
    keydown: (event) => {
      const all = buttons();
      const at = all.indexOf(document.activeElement as HTMLButtonElement);
      const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
      const target = next === undefined || at < 0 ? undefined : all[next];
      if (!target) return;
      event.preventDefault();
      target.focus();
    },
  });
  return () => {
    const all = buttons();
    const stop = all.find((each) => each === document.activeElement) ?? all.find(isChosen) ?? all[0];
    for (const each of all) each.tabIndex = each === stop ? 0 : -1;
  };
}
