// The console: the life of sandboxes on one page. See docs/decisions for how it is made and served.
import { App } from "./app/app.ts";
import { mountAnnouncer } from "./dom/announcer.ts";
import { h } from "./dom/element.ts";
import { isOver } from "./model/abilities.ts";
import { session } from "./model/session.ts";
import { activityPart } from "./view/activity.ts";
import { detailPart } from "./view/detail.ts";
import { headerPart } from "./view/header.ts";
import { sandboxesPart } from "./view/sandboxes.ts";
import { signInPart } from "./view/sign-in.ts";
import { tabs } from "./view/tabs.ts";
import { templatesPart } from "./view/templates.ts";
import { applyTheme } from "./view/theme.ts";

/** How often clocks on the page move on, in ms. */
const TICK_MS = 1000;

const root = h("div", { class: "root" });
applyTheme();
document.body.append(root);
mountAnnouncer();
if (session.key === undefined) askForKey();
else open(session.key);

function askForKey(reason?: string): void {
  root.replaceChildren(signInPart(enter, reason));
  root.querySelector("input")?.focus();
}

function enter(key: string): void {
  session.keep(key);
  open(key);
}

function open(key: string): void {
  const leave = (reason?: string) => {
    session.forget();
    clearInterval(ticking);
    removeEventListener("beforeunload", warn);
    app.close();
    askForKey(reason);
  };
  const app = new App({ key, render: schedule, refused: leave });
  const sandboxes = sandboxesPart(app);
  const count = () => app.sandboxes.all().filter(({ status }) => !isOver(status)).length;
  const lists = tabs(
    [
      { name: "sandboxes", title: () => `Sandboxes ${count()}`, part: sandboxes },
      {
        name: "templates",
        title: () => `Snapshots and templates ${app.templates.length}`,
        part: templatesPart(app),
      },
    ],
    "Lists",
  );
  const detail = detailPart(app);
  const parts = [headerPart(app, () => leave()), lists, detail, activityPart(app)];
  const [head, ...rest] = parts.map(({ element }) => element);
  lists.element.classList.add("card", "side");
  root.replaceChildren(...(head ? [head] : []), h("main", { class: "board" }, ...rest));

  let isScheduled = false;
  function schedule(): void {
    if (isScheduled) return;
    isScheduled = true;
    requestAnimationFrame(() => {
      isScheduled = false;
      for (const part of parts) part.update();
    });
  }
  const warn = (event: BeforeUnloadEvent) => {
    if (app.unfinishedRuns().length > 0) event.preventDefault();
  };
  addEventListener("beforeunload", warn);
  const ticking = setInterval(schedule, TICK_MS);
  const linked = location.hash.slice(1);
  if (linked !== "") app.select(linked);
  app.refresher.enabled = true;
  schedule();
}
