// The console for those who see, use or fit less: axe-core's rules in both themes, narrow windows, the keyboard.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, it } from "node:test";
import type { Page } from "playwright-core";
import { selected, startWorld, type World } from "./world.ts";

interface AxeResult {
  passes: unknown[];
  violations: { id: string; help: string; nodes: { html: string; failureSummary: string }[] }[];
}

let world: World;
let axe: string;

before(async () => {
  world = await startWorld();
  axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
});

after(async () => {
  await world[Symbol.asyncDispose]();
});

/** Runs axe-core with all its rules in both themes. */
async function assertAccessible(page: Page, what: string): Promise<void> {
  // As the developer tools would: the page's policy does not apply to it.
  await page.evaluate(`if (!globalThis.axe) { ${axe} }`);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    const { passes, violations } = (await page.evaluate(
      "axe.run(document, { resultTypes: ['violations', 'passes'] })",
    )) as AxeResult;
    const found = violations.map(({ id, help, nodes }) => ({
      rule: `${id}: ${help}`,
      nodes: nodes.map(({ html, failureSummary }) => `${html}\n${failureSummary}`),
    }));
    assert.deepEqual(found, [], `${what}, ${colorScheme}`);
    assert.ok(passes.length > 10, `${what}: only ${passes.length} rules looked at something`);
  }
}

it("axe-core has no complaint about any state of the page", async () => {
  const page = await world.open();
  await assertAccessible(page, "signing in");
  await page.getByLabel("API key").fill(world.service.key);
  await page.keyboard.press("Enter");
  await page.getByText("No sandboxes.").waitFor();
  await assertAccessible(page, "empty");
  await world.service.sandbox({ metadata: { owner: "me" }, timeout_sec: 0 });
  const paused = await world.service.sandbox();
  await world.service.call("POST", `/v1/sandboxes/${paused}/pause`);
  const id = await world.service.sandbox({ metadata: { owner: "build-42" } });
  const section = await selected(page, id);
  await section.getByLabel("In a shell").uncheck();
  const sixteen = Array.from({ length: 16 }, (_, colour) => `\u{1b}[38;5;${colour}mcolour ${colour}`);
  const back = Array.from({ length: 8 }, (_, colour) => `\u{1b}[0;4${colour}mon ${colour}`);
  const styles = [
    "\u{1b}[0;7minverse",
    "\u{1b}[0;2mdim",
    "\u{1b}[0;31;7mred inverse",
    "\u{1b}[0mturned \u{202e}",
  ];
  const command = section.getByLabel("Command", { exact: true });
  for (const line of [`print '${[...sixteen, ...back, ...styles].join(" ")}'`, "warn oh", "missing", "cat"]) {
    await command.fill(line);
    await command.press("Enter");
  }
  await section.getByText("exit 0").waitFor();
  await section.getByLabel(/^Input for cat/).waitFor();
  await assertAccessible(page, "a sandbox with runs");
  await section.getByRole("button", { name: "Stop" }).click();
  for (const [button, dialog] of [
    ["New sandbox", "New sandbox"],
    ["Fork…", "Fork"],
    ["Snapshot…", "New snapshot"],
    ["Restore…", "Restore"],
    ["Destroy…", "Destroy this sandbox?"],
  ] as const) {
    await page.getByRole("button", { name: button, exact: true }).click();
    await page.getByRole("dialog", { name: dialog }).waitFor();
    await assertAccessible(page, dialog);
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    assert.equal(
      await page.evaluate(() => document.activeElement?.textContent),
      button,
      "where the focus returns",
    );
  }
  await page.getByRole("tab", { name: /^Snapshots/ }).click();
  await assertAccessible(page, "snapshots");
  await page.setViewportSize({ width: 360, height: 740 });
  await assertAccessible(page, "a narrow window");
  await page.close();
});

it("nothing sticks out of a narrow window", async () => {
  const id = await world.service.sandbox({ metadata: { long: "x".repeat(300) } });
  const page = await world.signedIn();
  await selected(page, id);
  for (const width of [320, 480, 768, 1024, 1920]) {
    await page.setViewportSize({ width, height: 800 });
    const { scroll, client } = await page.evaluate(() => {
      const { scrollWidth: scroll, clientWidth: client } = document.documentElement;
      return { scroll, client };
    });
    assert.ok(scroll <= client, `${scroll} > ${client} at ${width}`);
  }
  await page.close();
});

it("lists are one stop of the Tab key, and the arrows move inside", async () => {
  const page = await world.signedIn();
  await page.locator(".row").nth(1).waitFor();
  await page.getByRole("tab", { name: /^Sandboxes/ }).focus();
  const focused = () => page.evaluate(() => (document.activeElement as HTMLElement).dataset["id"] ?? "");
  for (let i = 0; i < 6 && (await focused()) === ""; i++) await page.keyboard.press("Tab");
  const ids = await page
    .locator(".row")
    .evaluateAll((rows) => rows.map((each) => each.getAttribute("data-id")));
  assert.equal(await focused(), ids[0]);
  await page.keyboard.press("ArrowDown");
  assert.equal(await focused(), ids[1]);
  await page.keyboard.press("End");
  assert.equal(await focused(), ids.at(-1));
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowUp");
  assert.equal(await focused(), ids[0]);
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "", "Tab leaves the list");
  await page.keyboard.press("Shift+Tab");
  assert.equal(await focused(), ids[0]);
  await page.close();
});

it("a theme that was chosen stays", async () => {
  const page = await world.signedIn();
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.emulateMedia({ colorScheme: "light" });
  const light = await ground();
  await page.getByLabel("Theme").selectOption("dark");
  assert.notEqual(await ground(), light);
  await page.reload();
  await page.getByLabel("Theme").waitFor();
  assert.notEqual(await ground(), light);
  await page.getByLabel("Theme").selectOption("");
  assert.equal(await ground(), light);
  await page.close();
});
