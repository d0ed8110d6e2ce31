// The console against real virtual machines: the whole life of a sandbox, pressed together by hand in a browser.
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { Scope } from "@wrenn/core";
import type { Locator, Page } from "playwright-core";
import { startBrowser } from "../console/browser.ts";
import { borrowPlatform } from "./lent-platform.ts";
import type { Platform } from "./platform.ts";

/** Where machines are emulated, the first create waits for a cold boot. */
const BOOT_MS = 240_000;

const held = new Scope();
let platform: Platform;
let page: Page;
let section: Locator;
let id = "";

before(async () => {
  platform = await held.take(
    "platform",
    () => borrowPlatform(),
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

it("pauses and resumes it, with all that it had in memory", async () => {
  // A file in memory, and a process that goes on counting.
  await run(
    "echo kept >/dev/shm/mark; nohup sh -c 'while sleep 0.2; do echo x >>/dev/shm/count; done' >/dev/null 2>&1 &",
  );
  await press("Pause");
  await status("paused");
  assert.equal(await section.getByLabel("Command", { exact: true }).isVisible(), false);
  await press("Resume");
  await status("running");
  assert.equal(await run("cat /dev/shm/mark"), "kept");
  await run("n=$(wc -l </dev/shm/count); until [ $(wc -l </dev/shm/count) -gt $n ]; do sleep 0.1; done");
});

it("forks it, and the copy goes its own way", async () => {
  await press("Fork…");
  await page.getByRole("dialog").getByLabel("Metadata").fill("role=copy");
  await confirm("Fork", "Fork");
  await page.locator(".row", { hasText: "role=copy" }).click();
  await status("running");
  assert.equal(await run("cat /dev/shm/mark; echo copy >/dev/shm/mark"), "kept");
  await page.locator(`.row[data-id="${id}"]`).click();
  await section.getByRole("heading", { name: id }).waitFor();
  assert.equal(await run("cat /dev/shm/mark"), "kept");
});

it("takes a snapshot, goes back to it, starts another one from it, and deletes it", async () => {
  await press("Snapshot…");
  await page.getByRole("dialog").getByLabel("Name", { exact: true }).fill("marked");
  await confirm("New snapshot", "Take snapshot");
  await run("echo later >/dev/shm/mark; echo later >/home/user/later; sync");
  await press("Restore…");
  await page.getByRole("dialog").getByLabel("Snapshot or template").selectOption("marked");
  await confirm("Restore", "Restore");
  await status("running");
  assert.equal(await run("cat /dev/shm/mark; test ! -e /home/user/later"), "kept");
  await page.getByRole("tab", { name: /^Snapshots/ }).click();
  await page.getByRole("button", { name: "New sandbox from marked" }).click();
  await confirm("New sandbox", "Create");
  const other = (await section.getByRole("heading").textContent()) ?? "";
  assert.notEqual(other, id);
  assert.equal(await run("cat /dev/shm/mark"), "kept");
  await page.getByRole("button", { name: "Delete marked" }).click();
  await confirm("Delete this snapshot?", "Delete");
  await page.getByRole("button", { name: "Delete marked" }).waitFor({ state: "detached" });
  assert.equal(await run("cat /dev/shm/mark"), "kept");
  await page.getByRole("tab", { name: /^Sandboxes/ }).click();
  await page.locator(`.row[data-id="${id}"]`).click();
  await section.getByRole("heading", { name: id }).waitFor();
});

it("destroys it", async () => {
  await press("Destroy…");
  await confirm("Destroy this sandbox?", "Destroy");
  await status("stopped");
  assert.equal((await platform.client.sandboxes.get(id)).status, "stopped");
});
