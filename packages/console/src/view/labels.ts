// Metadata as chips.
import { h, setText } from "../dom/element.ts";
import { KeyedList } from "../dom/keyed-list.ts";
import { visible } from "../text/visible.ts";

/** The most of a key or a value that a chip shows, in characters; the whole is in its title. */
const MOST_SHOWN = 60;

export function labels(): { element: HTMLElement; set(metadata: Readonly<Record<string, string>>): void } {
  const element = h("span", { class: "labels" });
  const list = new KeyedList<readonly [string, string]>(element, ([key]) => key, makeLabel);
  return { element, set: (metadata) => list.update(Object.entries(metadata)) };
}

function makeLabel() {
  // bdi: a name that is written from right to left turns nothing round it.
  const [name, value] = [h("bdi", { class: "label-key" }), h("bdi", { class: "label-value" })];
  const element = h("span", { class: "label" }, name, h("span", { class: "label-is" }, "="), value);
  return {
    element,
    update([key, text]: readonly [string, string]) {
      setText(name, shortened(visible(key)));
      setText(value, shortened(visible(text)));
      element.title = `${visible(key)}=${visible(text)}`;
    },
  };
}

function shortened(text: string): string {
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}
