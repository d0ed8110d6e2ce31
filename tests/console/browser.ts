// Debian's Chromium, driven by playwright-core, for tests of the console.
import { Scope } from "@wrenn/core";
import { type BrowserContext, chromium, type Page, type Browser as Program } from "playwright-core";
import { Lent } from "../lent.ts";

const EXECUTABLE = "/usr/bin/chromium";

/**
 * Root has no user namespace of its own for Chromium's sandbox, and the pages are ours. The others keep it from
 * looking for Google's services, which tests must not talk to.
 */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** For whatever is waited for on a page. */
const PATIENCE_MS = 15_000;

export interface Browser extends AsyncDisposable {
  context: BrowserContext;
  /** Opens a page; what it complains about is collected in `complaints`. */
  open(url: string): Promise<Page>;
  /** Uncaught errors, refusals of the content security policy, errors on the console. */
  complaints: string[];
}

const programs = new Lent<Program>(
  () => chromium.launch({ executablePath: EXECUTABLE, args: FLAGS, chromiumSandbox: false }),
  (program) => program.close(),
);

/** From now on all browsers are windows of one Chromium, until the function is called that comes back. */
export const keepChromium = () => programs.lend();

/** A window with a memory of its own. */
export async function startBrowser(): Promise<Browser> {
  await using scope = new Scope();
  const program = await scope.take(
    "chromium",
    () => programs.borrow(),
    (borrowed) => programs.giveBack(borrowed),
  );
  const context = await scope.take(
    "window",
    () => program.newContext({ viewport: { width: 1360, height: 860 } }),
    (opened) => opened.close(),
  );
  context.setDefaultTimeout(PATIENCE_MS);
  const complaints: string[] = [];
  const held = scope.move();
  return {
    context,
    complaints,
    async open(url) {
      const page = await context.newPage();
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("console", (message) => {
        // Chromium reports every answer from 400 on by itself; the console shows them in its own way.
        const isOfNetwork = message.text().startsWith("Failed to load resource");
        if (message.type() === "error" && !isOfNetwork) complaints.push(message.text());
      });
      await page.goto(url);
      return page;
    },
    [Symbol.asyncDispose]: () => held.close(),
  };
}
