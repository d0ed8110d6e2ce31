// The lines of a transcript, drawn as they come. Nothing here asks how large anything is: that would make the
// browser lay out all of it, every time.
import { h } from "../dom/element.ts";
import type { Run, Transcript } from "../text/transcript.ts";

export function outputView(transcript: Transcript, label: string): { element: HTMLElement; update(): void } {
  const dropped = h("p", { class: "hint", hidden: true });
  const lines = h("div", { class: "lines" });
  const current = h("div", { class: "line" });
  const body = h("div", {}, dropped, lines, current);
  // Focusable, so that the keyboard can scroll it.
  const element = h(
    "div",
    { class: "output", tabindex: 0, role: "region", "aria-label": label },
    dropped,
    body,
  );
  /** Number of the first and behind the last line that is drawn. */
  let [first, end] = [0, 0];
  let drawn = "";

  function update(): void {
    const last = transcript.dropped + transcript.lines.length;
    const signature = JSON.stringify(transcript.current());
    if (last === end && signature === drawn) return;
    if (transcript.dropped > end) {
      lines.replaceChildren();
      first = transcript.dropped;
      end = first;
    }
    for (; first < transcript.dropped; first++) lines.firstElementChild?.remove();
    const fresh = transcript.lines.slice(end - transcript.dropped);
    lines.append(...fresh.map(lineElement));
    end = last;
    current.hidden = transcript.current().length === 0;
    current.replaceChildren(...spans(transcript.current()));
    drawn = signature;
    dropped.hidden = transcript.dropped === 0;
    dropped.textContent = `${transcript.dropped} earlier lines are not kept.`;
  }

  return { element, update };
}

function lineElement(runs: readonly Run[]): HTMLElement {
  return h("div", { class: "line" }, ...spans(runs));
}

function spans(runs: readonly Run[]): (Node | string)[] {
  return runs.map(({ text, classes }) => (classes === "" ? text : h("span", { class: classes }, text)));
}
