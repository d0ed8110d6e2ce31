// One run: its command, its output, its input, and how it ended.
import type { App } from "../app/app.ts";
import { announce } from "../dom/announcer.ts";
import { button, h, on, setAttribute, setText } from "../dom/element.ts";
import type { Item } from "../dom/keyed-list.ts";
import type { Run } from "../model/run.ts";
import { bytes, took } from "../text/format.ts";
import { visible } from "../text/visible.ts";
import { copyButton } from "./copy-button.ts";
import { outputView } from "./output.ts";

export function runCard(app: App, run: Run): Item<Run> {
  const line = visible(run.line);
  const result = h("span", { class: "badge" });
  const figures = h("span", { class: "figures" });
  const output = outputView(run.transcript, `Output of ${line}`);
  const interrupt = button("Ctrl-C", () => void run.interrupt(), { title: "Sends SIGINT" });
  const stop = button("Stop", () => void run.stop(), {
    class: "danger",
    title: "Kills it and all that it started",
  });
  const again = button("Dismiss", () => app.removeRun(run), { class: "quiet" });
  const copy = copyButton("Copy output", () => run.transcript.text());
  const input = inputForm(run);
  const head = h(
    "header",
    {},
    h("code", { class: "run-line", title: line }, h("bdi", {}, line)),
    result,
    figures,
    h("span", { class: "row-buttons" }, interrupt, stop, copy, again),
  );
  let wasOver = false;
  return {
    element: h("article", { class: "run", "aria-label": `Run of ${line}` }, head, output.element, input),
    update() {
      setText(result, run.isOver ? visible(run.result) : `${run.state}…`);
      setAttribute(result, "data-status", tone(run));
      setText(figures, `${took(run.ms)} · ${bytes(run.bytes)}${run.isStreamed ? "" : " · captured"}`);
      interrupt.hidden = run.isOver || !run.isStreamed;
      stop.hidden = run.isOver || !run.isStreamed;
      again.hidden = !run.isOver;
      input.hidden = !run.takesInput;
      output.element.hidden = run.isOver && run.bytes === 0;
      output.update();
      if (run.isOver && !wasOver) announce(`${line}: ${visible(run.result)}.`);
      wasOver = run.isOver;
    },
  };
}

function tone(run: Run): string {
  if (!run.isOver) return "moving";
  return run.state === "ended" && run.succeeded ? "running" : "error";
}

function inputForm(run: Run): HTMLFormElement {
  const text = h("input", {
    type: "text",
    "aria-label": `Input for ${visible(run.line)}`,
    placeholder: "Input, sent with Enter",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
  });
  const close = button("End of input", () => void run.endInput(), { class: "quiet" });
  const form = h("form", { class: "run-input", novalidate: true }, text, close);
  return on(form, {
    submit: (event) => {
      event.preventDefault();
      void run.type(`${text.value}\n`);
      text.value = "";
    },
  });
}
