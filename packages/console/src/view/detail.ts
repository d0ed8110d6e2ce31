// The selected sandbox: what it is, what can be done with it, and the commands that run in it.
import type { Sandbox } from "@wrenn/sdk";
import type { App } from "../app/app.ts";
import {
  destroySandbox,
  forkSandbox,
  restoreSandbox,
  resumeCold,
  snapshotSandbox,
} from "../dialog/actions.ts";
import { button, h, setAttribute, setText } from "../dom/element.ts";
import { type Action, can } from "../model/abilities.ts";
import { newId } from "../model/new-id.ts";
import { visible } from "../text/visible.ts";
import { badge } from "./badge.ts";
import { copyButton } from "./copy-button.ts";
import { execPart } from "./exec.ts";
import { facts } from "./facts.ts";
import type { Part } from "./part.ts";

/** Where the list is above the detail, and not beside it. */
const NARROW = "(max-width: 959.98px)";

export function detailPart(app: App): Part {
  const id = h("h2", { class: "sandbox-id", tabindex: -1 });
  const status = badge();
  const known = facts();
  const actions = actionButtons(app, id);
  const problem = h("p", { class: "problem", role: "alert" });
  const exec = execPart(app);
  const copy = copyButton("Copy", () => app.selected ?? "");
  const head = h("div", { class: "detail-head" }, id, copy, status.element, actions.element);
  const whole = h("div", { class: "detail" }, head, problem, known.element, exec.element);
  const none = h("p", { class: "empty" }, "Select a sandbox, or create one.");
  const element = h("section", { class: "card main", "aria-label": "Selected sandbox" }, none, whole);
  let shown = app.selected;
  return {
    element,
    update() {
      const sandbox = app.selectedSandbox;
      none.hidden = sandbox !== undefined;
      whole.hidden = sandbox === undefined;
      if (app.selected !== undefined && app.isLoaded)
        setText(none, `There is no sandbox ${visible(app.selected)}.`);
      if (!sandbox) return;
      setText(id, sandbox.id);
      status.set(sandbox.status, app.busy.get(sandbox.id));
      known.set(sandbox, app.clock.now());
      actions.set(sandbox);
      const text = app.problems.get(sandbox.id) ?? sandbox.error ?? "";
      setText(problem, visible(text));
      problem.hidden = text === "";
      exec.update();
      if (shown !== app.selected && matchMedia(NARROW).matches) element.scrollIntoView();
      shown = app.selected;
    },
  };
}

/** All buttons, of which those are shown that the sandbox allows. Without any, the heading takes the focus that was on them. */
function actionButtons(
  app: App,
  heading: HTMLElement,
): { element: HTMLElement; set(sandbox: Sandbox): void } {
  const chosen = (act: (sandbox: Sandbox) => void) => () => {
    const sandbox = app.selectedSandbox;
    if (sandbox && !app.busy.has(sandbox.id)) act(sandbox);
  };
  const { sandboxes } = app.client;
  const move = (doing: string, done: string, work: (id: string) => Promise<Sandbox>) =>
    chosen(({ id }) =>
      app.attempt({ subject: id, doing, done }, async () => app.sandboxes.put(await work(id))),
    );
  const once = () => ({ idempotencyKey: newId() });
  const buttons: readonly (readonly [Action, HTMLButtonElement])[] = [
    [
      "pause",
      button(
        "Pause",
        move("Pausing", "Paused", (id) => sandboxes.pause(id, once())),
      ),
    ],
    [
      "resume",
      button(
        "Resume",
        move("Resuming", "Resumed", (id) => sandboxes.resume(id, {}, once())),
        { class: "primary" },
      ),
    ],
    [
      "resume",
      button(
        "Boot cold…",
        chosen((sandbox) => resumeCold(app, sandbox)),
      ),
    ],
    [
      "fork",
      button(
        "Fork…",
        chosen((sandbox) => forkSandbox(app, sandbox)),
      ),
    ],
    [
      "snapshot",
      button(
        "Snapshot…",
        chosen((sandbox) => snapshotSandbox(app, sandbox)),
      ),
    ],
    [
      "restore",
      button(
        "Restore…",
        chosen((sandbox) => restoreSandbox(app, sandbox)),
      ),
    ],
    [
      "ping",
      button(
        "Keep alive",
        chosen(({ id }) =>
          app.attempt({ subject: id, doing: "Pinging", done: "Restarted the clock of" }, () =>
            sandboxes.ping(id),
          ),
        ),
        { title: "Restarts the clock of the time-out" },
      ),
    ],
    [
      "destroy",
      button(
        "Destroy…",
        chosen((sandbox) => destroySandbox(app, sandbox)),
        { class: "danger" },
      ),
    ],
  ];
  const element = h("div", { class: "actions", role: "group", "aria-label": "Actions" });
  element.append(...buttons.map(([, it]) => it));
  return {
    element,
    set(sandbox) {
      const focused = document.activeElement; // asked later, it is lost already
      for (const [action, it] of buttons) {
        it.hidden = !can(action, sandbox);
        // Not `disabled`, which would take the focus away from a button that was just pressed.
        setAttribute(it, "aria-disabled", app.busy.has(sandbox.id) && "true");
      }
      const isLost = element.contains(focused) && focused?.matches("[hidden]");
      if (isLost) (element.querySelector<HTMLElement>("button:not([hidden])") ?? heading).focus();
    },
  };
}
