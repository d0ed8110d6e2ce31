// Commands: a line to type them into, and the runs below it, newest first.
import type { App } from "../app/app.ts";
import { h, on, setText } from "../dom/element.ts";
import { KeyedList } from "../dom/keyed-list.ts";
import { can } from "../model/abilities.ts";
import { type Command, Run } from "../model/run.ts";
import { splitWords } from "../text/words.ts";
import { History } from "./history.ts";
import type { Part } from "./part.ts";
import { runCard } from "./run-card.ts";

export function execPart(app: App): Part {
  const line = h("input", {
    type: "text",
    class: "command",
    "aria-label": "Command",
    placeholder: "uname -a",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
  });
  const inShell = h("input", { type: "checkbox", id: "in-shell", checked: true });
  const streamed = h("input", { type: "checkbox", id: "streamed", checked: true });
  const user = h("input", {
    type: "text",
    id: "exec-user",
    placeholder: "default",
    size: 8,
    spellcheck: "false",
  });
  const cwd = h("input", {
    type: "text",
    id: "exec-cwd",
    placeholder: "home",
    size: 14,
    spellcheck: "false",
  });
  const timeout = h("input", {
    type: "number",
    id: "exec-timeout",
    placeholder: "none",
    min: 1,
    max: 86_400,
  });
  const problem = h("p", { class: "field-error", role: "alert" });
  const start = h("button", { type: "submit", class: "primary" }, "Run");
  const check = (box: HTMLInputElement, text: string) =>
    h("span", { class: "check" }, box, h("label", { for: box.id }, text));
  const setting = (box: HTMLInputElement, text: string) =>
    h("span", { class: "setting" }, h("label", { for: box.id }, text), box);
  const form = h(
    "form",
    { class: "exec-form", novalidate: true, "aria-label": "Run a command" },
    h(
      "div",
      { class: "command-line" },
      h("span", { class: "prompt", "aria-hidden": "true" }, "$"),
      line,
      start,
    ),
    h(
      "div",
      { class: "settings" },
      check(inShell, "In a shell (sh -c)"),
      check(streamed, "Stream the output"),
      setting(user, "User"),
      setting(cwd, "Directory"),
      setting(timeout, "Time-out (s)"),
    ),
    problem,
  );
  const history = new History(line);
  on(form, {
    submit: (event) => {
      event.preventDefault();
      begin();
    },
  });
  const cards = h("div", { class: "runs" });
  const list = new KeyedList<Run>(
    cards,
    (run) => String(numberOf(run)),
    (run) => runCard(app, run),
  );

  function begin(): void {
    const sandboxId = app.selected;
    if (sandboxId === undefined || line.value.trim() === "") return;
    try {
      const options = { user: user.value.trim(), cwd: cwd.value.trim(), timeout: timeout.value };
      const command = commandOf(line.value, { ...options, inShell: inShell.checked });
      const { client, log, render: changed } = app;
      app.addRun(
        new Run(
          { client, log, sandboxId, command, line: line.value, changed },
          { isStreamed: streamed.checked },
        ),
      );
      history.add(line.value);
      line.value = "";
      setText(problem, "");
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      setText(problem, error.message);
    }
  }

  const element = h("section", { class: "exec", "aria-label": "Commands" }, form, cards);
  return {
    element,
    update() {
      const sandbox = app.selectedSandbox;
      form.hidden = !sandbox || !can("exec", sandbox);
      list.update(sandbox ? app.runsOf(sandbox.id) : []);
    },
  };
}

interface Settings {
  inShell: boolean;
  user: string;
  cwd: string;
  timeout: string;
}

/** The command of a line: no shell is implied by the API, so one is asked for. Throws a SyntaxError. */
export function commandOf(line: string, { inShell, user, cwd, timeout }: Settings): Command {
  const [cmd, ...args] = inShell ? ["/bin/sh", "-c", line] : splitWords(line);
  if (cmd === undefined) throw new SyntaxError("a command is needed");
  if (timeout !== "" && !/^\d+$/.test(timeout)) throw new SyntaxError("the time-out must be whole seconds");
  return {
    cmd,
    args,
    ...(user !== "" && { user }),
    ...(cwd !== "" && { cwd }),
    ...(timeout !== "" && { timeout_sec: Number(timeout) }),
  };
}

const numbers = new WeakMap<Run, number>();
let last = 0;

function numberOf(run: Run): number {
  const number = numbers.get(run) ?? ++last;
  numbers.set(run, number);
  return number;
}
