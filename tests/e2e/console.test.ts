// The console against real virtual machines: the whole life of a sandbox, pressed together by hand in a browser.
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { Scope } from "@wrenn/core";
import type { Locator, Page } from "playwright-core";
import { startBrowser } from "../console/browser.ts";
import { type Platform, startPlatform } from "./platform.ts";

/** Machines boot under emulation here. */
const BOOT_MS = 120_000;

const held = new Scope();
let platform: Platform;
let page: Page;
let section: Locator;
let id = "";

before(async () => {
  platform = await held.take(
    "platform",
    () => startPlatform(),
    (started) => started.stop(),
  );
  const browser = await held.take(
    "browser",
    startBrowser,
    async (started) => await started[Symbol.asyncDispose](),
  );
  page = await browser.open(`${platform.url}/test`);
  page.setDefaultTimeout(BOOT_MS);
  held.defer("complaints", async () => assert.deepEqual(browser.complaints, []));
  await page.getByLabel("API key").fill(platform.key);
  await page.keyboard.press("Enter");
  section = page.getByRole("region", { name: "Selected sandbox" });
});

after(async () => {
  await held.close();
});

const press = (name: string) => section.getByRole("button", { name, exact: true }).click();
const status = (text: string) => section.getByText(text, { exact: true }).waitFor();
const confirm = async (title: string, verb: string) => {
  const dialog = page.getByRole("dialog", { name: title });
  await dialog.getByRole("button", { name: verb }).click();
  await dialog.waitFor({ state: "detached" });
};

/** Runs a line in the guest's shell; what it printed, once it has ended with 0. */
async function run(line: string): Promise<string> {
  const command = section.getByLabel("Command", { exact: true });
  await command.fill(line);
  const before = await section.getByRole("article").count();
  await command.press("Enter");
  await section.getByRole("article").nth(before).waitFor();
  const card = section.getByRole("article").first();
  await card.getByText("exit 0").waitFor();
  const lines = await card.locator(".line:not([hidden])").allTextContents();
  await card.getByRole("button", { name: "Dismiss" }).click();
  return lines.join("\n");
}

it("creates a sandbox and runs commands in it, streamed and with input", async () => {
  await page.getByRole("button", { name: "New sandbox" }).click();
  await page.getByRole("dialog").getByLabel("Time-out (s)").fill("0");
  await confirm("New sandbox", "Create");
  id = (await section.getByRole("heading").textContent()) ?? "";
  await status("running");
  assert.equal(await run("echo $((6*7)); cat /etc/hostname >/dev/null"), "42");
  const command = section.getByLabel("Command", { exact: true });
  await command.fill("while read line; do echo got $line; done");
  await command.press("Enter");
  const input = section.getByLabel(/^Input for while/);
  await input.fill("this");
  await input.press("Enter");
  await section.getByText("got this").waitFor();
  await section.getByRole("button", { name: "End of input" }).click();
  await section.getByRole("article").first().getByText("exit 0").waitFor();
  await section.getByRole("button", { name: "Dismiss" }).click();
});

it("destroys it", async () => {
  await press("Destroy…");
  await confirm("Destroy this sandbox?", "Destroy");
  await status("stopped");
  assert.equal((await platform.client.sandboxes.get(id)).status, "stopped");
});
