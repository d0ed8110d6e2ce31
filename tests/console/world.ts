// A control plane with a fake host, and a browser that looks at its console.
import { Scope } from "@wrenn/core";
import type { Locator, Page } from "playwright-core";
import { type TestService, testService } from "../db/service.ts";
import { type Browser, startBrowser } from "./browser.ts";

export interface World extends AsyncDisposable {
  service: TestService;
  browser: Browser;
  /** Opens the console in a new page, without a key. */
  open(): Promise<Page>;
  /** Opens the console and gives it the operator's key, or another one. */
  signedIn(key?: string): Promise<Page>;
}

export async function startWorld(): Promise<World> {
  await using scope = new Scope();
  const service = await scope.take(
    "service",
    () => testService({ WRENN_MAX_RUNNING: "1000", WRENN_STALL_MS: "30000" }),
    async (made) => await made[Symbol.asyncDispose](),
  );
  const browser = await scope.take(
    "browser",
    startBrowser,
    async (made) => await made[Symbol.asyncDispose](),
  );
  const open = () => browser.open(`${service.url}/test`);
  const held = scope.move();
  return {
    service,
    browser,
    open,
    async signedIn(key = service.key) {
      const page = await open();
      await page.getByLabel("API key").fill(key);
      await page.keyboard.press("Enter");
      await page.getByRole("tab", { name: /^Sandboxes/ }).waitFor();
      return page;
    },
    [Symbol.asyncDispose]: () => held.close(),
  };
}

/** The button of a sandbox in the list. */
export function row(page: Page, id: string) {
  return page.locator(`.row[data-id="${id}"]`);
}

/** Selects a sandbox, and the part of the page that shows it. */
export async function selected(page: Page, id: string) {
  await row(page, id).click();
  const section = page.getByRole("region", { name: "Selected sandbox" });
  await section.getByRole("heading", { name: id }).waitFor();
  return section;
}

/** The text of an element, hidden parts of it too. */
export async function textOf(locator: Locator): Promise<string> {
  return (await locator.textContent()) ?? "";
}
