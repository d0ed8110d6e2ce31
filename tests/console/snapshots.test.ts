// Forks, snapshots and going back to them, in a real browser.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Page } from "playwright-core";
import { row, selected, startWorld, textOf, type World } from "./world.ts";

let world: World;
let page: Page;

before(async () => {
  world = await startWorld();
  page = await world.signedIn();
});

after(async () => {
  await world[Symbol.asyncDispose]();
});

async function statusOf(id: string): Promise<string> {
  return String((await world.service.call("GET", `/v1/sandboxes/${id}`)).body.status);
}

async function namesOf(type: string): Promise<string[]> {
  const { body } = await world.service.call("GET", `/v1/snapshots?type=${type}`);
  return (body as { name: string }[]).map(({ name }) => name);
}

const lists = (name: RegExp) => page.getByRole("tab", { name }).click();
const snapshots = () => page.getByRole("list", { name: "Snapshots and templates" });

describe("a sandbox", () => {
  it("is forked, and its copies are listed", async () => {
    const id = await world.service.sandbox({ metadata: { owner: "me" } });
    const section = await selected(page, id);
    await section.getByRole("button", { name: "Fork…" }).click();
    const dialog = page.getByRole("dialog", { name: "Fork" });
    await dialog.getByLabel("Copies").fill("0");
    await dialog.getByRole("button", { name: "Fork" }).click();
    await dialog.locator("#field-count-error:not(:empty)").waitFor();
    await dialog.getByLabel("Copies").fill("2");
    await dialog.getByLabel("Metadata").fill("owner=copy");
    await dialog.getByRole("button", { name: "Fork" }).click();
    await dialog.waitFor({ state: "detached" });
    await page.locator(".row", { hasText: "owner=copy" }).nth(1).waitFor();
    assert.equal(await statusOf(id), "running");
  });

  it("is saved under a name, left paused, and can be booted from its disk", async () => {
    const id = await world.service.sandbox();
    const section = await selected(page, id);
    await section.getByRole("button", { name: "Snapshot…" }).click();
    const dialog = page.getByRole("dialog", { name: "New snapshot" });
    await dialog.getByLabel("Name", { exact: true }).fill("no/name");
    await dialog.getByRole("button", { name: "Take snapshot" }).click();
    await dialog.locator("#field-name-error:not(:empty)").waitFor();
    await dialog.getByLabel("Name", { exact: true }).fill("warm");
    await dialog.getByLabel("The sandbox afterwards").selectOption("paused");
    await dialog.getByRole("button", { name: "Take snapshot" }).click();
    await dialog.waitFor({ state: "detached" });
    await section.getByText("paused", { exact: true }).waitFor();
    assert.deepEqual(await namesOf("snapshot"), ["warm"]);
    await section.getByRole("button", { name: "Boot cold…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Boot" }).click();
    await section.getByText("running", { exact: true }).waitFor();
  });

  it("is told that a name is taken, and replaces it when asked to", async () => {
    const id = await world.service.sandbox();
    const section = await selected(page, id);
    await section.getByRole("button", { name: "Snapshot…" }).click();
    const dialog = page.getByRole("dialog", { name: "New snapshot" });
    await dialog.getByLabel("Name", { exact: true }).fill("warm");
    await dialog.getByRole("button", { name: "Take snapshot" }).click();
    await dialog.locator("#field-name-error:not(:empty)").waitFor();
    await dialog.getByLabel("Replace a snapshot of that name").check();
    await dialog.getByRole("button", { name: "Take snapshot" }).click();
    await dialog.waitFor({ state: "detached" });
    assert.equal(await statusOf(id), "running");
  });

  it("is rolled back once that is confirmed", async () => {
    const id = await world.service.sandbox();
    const section = await selected(page, id);
    await section.getByRole("button", { name: "Restore…" }).click();
    const dialog = page.getByRole("dialog", { name: "Restore" });
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Cancel");
    await dialog.getByLabel("Snapshot or template").selectOption("warm");
    await dialog.getByRole("button", { name: "Restore" }).click();
    await dialog.waitFor({ state: "detached" });
    const [call] = world.service.host.callsOf("restoreSandbox");
    assert.ok(call, "the host was asked");
    assert.equal(await statusOf(id), "running");
  });
});

describe("a snapshot", () => {
  it("starts sandboxes of its own size", async () => {
    await lists(/^Snapshots/);
    await snapshots().getByRole("button", { name: "New sandbox from warm" }).click();
    const dialog = page.getByRole("dialog", { name: "New sandbox" });
    assert.equal(await dialog.getByLabel("vCPUs").isDisabled(), true);
    assert.equal(await dialog.getByLabel("Memory (MiB)").inputValue(), "512");
    await dialog.getByLabel("Template or snapshot").selectOption("minimal");
    assert.equal(await dialog.getByLabel("vCPUs").isDisabled(), false);
    await dialog.getByLabel("Template or snapshot").selectOption("warm");
    await dialog.getByRole("button", { name: "Create" }).click();
    await dialog.waitFor({ state: "detached" });
    const id = await textOf(page.getByRole("region", { name: "Selected sandbox" }).getByRole("heading"));
    await lists(/^Sandboxes/);
    assert.match(await textOf(row(page, id)), /warm · 1 vCPU · 512 MiB/);
  });

  it("is deleted once that is confirmed", async () => {
    await lists(/^Snapshots/);
    const remove = snapshots().getByRole("button", { name: "Delete warm" });
    await remove.click();
    await page.keyboard.press("Escape");
    assert.deepEqual(await namesOf("snapshot"), ["warm"]);
    await remove.click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await remove.waitFor({ state: "detached" });
    assert.deepEqual(await namesOf("snapshot"), []);
    await lists(/^Sandboxes/);
  });
});

it("nothing of that broke a rule of the page's policy", () => {
  assert.deepEqual(world.browser.complaints, []);
});
