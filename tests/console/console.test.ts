// The console in a real browser: signing in, the life of a sandbox, what is said when things go wrong.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { newToken } from "@wrenn/core";
import { row, selected, startWorld, textOf, type World } from "./world.ts";

let world: World;

before(async () => {
  world = await startWorld();
});

after(async () => {
  await world[Symbol.asyncDispose]();
});

describe("the page", () => {
  it("is served with its files under a policy that allows nothing else", async () => {
    const page = await fetch(`${world.service.url}/test`);
    assert.equal(page.status, 200);
    const policy = page.headers.get("content-security-policy") ?? "";
    for (const part of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "trusted-types 'none'",
    ]) {
      assert.ok(policy.split("; ").includes(part), part);
    }
    assert.doesNotMatch(policy, /unsafe|\*|data:|https?:/);
    assert.equal(page.headers.get("cache-control"), "no-store");
    const script = /src="([^"]+)"/.exec(await page.text())?.[1];
    const answer = await fetch(`${world.service.url}/${script}`);
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("cache-control") ?? "", /immutable/);
    for (const path of ["/test/console.js", "/test/..%2f..%2fpackage.json", "/test/x-0000000000000000.js"]) {
      const missing = await world.service.call("GET", path, { key: null });
      assert.equal(missing.status, 404, path);
      assert.equal(missing.body.error.code, "not_found", path);
    }
  });

  it("asks nobody but its own server, and breaks no rule of its policy", async () => {
    const page = await world.open();
    const asked = new Set<string>();
    page.on("request", (request) => asked.add(new URL(request.url()).host));
    await page.reload();
    await page.getByLabel("API key").fill(world.service.key);
    await page.keyboard.press("Enter");
    await page.getByText("healthy").waitFor();
    assert.deepEqual([...asked], [new URL(world.service.url).host]);
    assert.deepEqual(world.browser.complaints, []);
    await page.close();
  });

  it("refuses to become markup, whoever tries", async () => {
    const page = await world.open();
    const refusal = await page.evaluate(() => {
      try {
        document.body.innerHTML = "<img src=x>";
        return "it was done";
      } catch (error) {
        return String(error);
      }
    });
    assert.match(refusal, /TrustedHTML/);
    await page.close();
    world.browser.complaints.length = 0;
  });
});

describe("signing in", () => {
  it("keeps the key in the tab, and forgets it on signing out", async () => {
    const page = await world.signedIn();
    const kept = () =>
      page.evaluate(() => ({
        session: Object.values(sessionStorage),
        local: Object.values(localStorage),
        cookies: document.cookie,
        address: location.href,
      }));
    const where = { local: [], cookies: "", address: `${world.service.url}/test` };
    assert.deepEqual(await kept(), { ...where, session: [world.service.key] });
    await page.reload();
    await page.getByRole("button", { name: "New sandbox" }).waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("API key").waitFor();
    assert.deepEqual(await kept(), { ...where, session: [] });
    await page.close();
  });

  it("says what is wrong with a key, and sends nothing that is none", async () => {
    const page = await world.open();
    let calls = 0;
    page.on("request", (request) => {
      if (request.url().includes("/v1/")) calls++;
    });
    await page.getByLabel("API key").fill("hunter2");
    await page.keyboard.press("Enter");
    await page.getByText("A key begins with wrn_").waitFor();
    assert.equal(calls, 0);
    await page.getByLabel("API key").fill(`wrn_${newToken()}`);
    await page.keyboard.press("Enter");
    await page.getByText("The service does not know this key").waitFor();
    assert.deepEqual(await page.evaluate(() => Object.values(sessionStorage)), []);
    await page.close();
  });
});

describe("the life of a sandbox", () => {
  it("is created from a form that says which field is wrong", async () => {
    const page = await world.signedIn();
    await page.getByRole("button", { name: "New sandbox" }).click();
    const dialog = page.getByRole("dialog", { name: "New sandbox" });
    await dialog.getByLabel("Metadata").fill("owner=me\nbroken");
    await dialog.getByRole("button", { name: "Create" }).click();
    await dialog.getByText("line 2 is not key=value").waitFor();
    await dialog.getByLabel("Metadata").fill("owner=me");
    await dialog.getByLabel("vCPUs").fill("99");
    await dialog.getByRole("button", { name: "Create" }).click();
    const vcpus = dialog.locator("#field-vcpus");
    await dialog.locator("#field-vcpus-error:not(:empty)").waitFor();
    assert.equal(await vcpus.getAttribute("aria-invalid"), "true");
    await vcpus.fill("2");
    await dialog.getByLabel("Memory (MiB)").fill("1024");
    await dialog.getByRole("button", { name: "Create" }).click();
    await dialog.waitFor({ state: "detached" });
    const section = page.getByRole("region", { name: "Selected sandbox" });
    const id = await textOf(section.getByRole("heading"));
    const { body } = await world.service.call("GET", `/v1/sandboxes/${id}`);
    assert.deepEqual([body.vcpus, body.memory_mb, body.metadata], [2, 1024, { owner: "me" }]);
    await section.getByText("2 vCPUs · 1 GiB · 10 GiB disk").waitFor();
    await section.getByText("tcg (emulated)").waitFor();
    await section.getByText(/\d:\d\d of 5 min idle, then destroy/).waitFor();
    const entry = page.getByRole("table").getByRole("row").filter({ hasText: "201" });
    assert.match(await textOf(entry), /POST \/v1\/sandboxes201[\d.]+ m?s/);
    await page.close();
  });

  it("is paused and resumed with the keyboard alone", async () => {
    const id = await world.service.sandbox();
    const page = await world.signedIn();
    await row(page, id).waitFor();
    await row(page, id).focus();
    await page.keyboard.press("Enter");
    const section = page.getByRole("region", { name: "Selected sandbox" });
    await section.getByRole("button", { name: "Pause" }).focus();
    await page.keyboard.press("Enter");
    const resume = section.getByRole("button", { name: "Resume" });
    await resume.waitFor();
    assert.equal((await world.service.call("GET", `/v1/sandboxes/${id}`)).body.status, "paused");
    // The button that was pressed has gone: the focus is on the one in its place, not lost.
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Resume");
    assert.equal(await section.getByLabel("Command", { exact: true }).isVisible(), false);
    await page.keyboard.press("Enter");
    await section.getByRole("button", { name: "Pause" }).waitFor();
    assert.equal((await world.service.call("GET", `/v1/sandboxes/${id}`)).body.status, "running");
    await page.close();
  });

  it("ends only when that is confirmed", async () => {
    const id = await world.service.sandbox();
    const page = await world.signedIn();
    const section = await selected(page, id);
    const dialog = page.getByRole("dialog", { name: "Destroy this sandbox?" });
    const ask = () => section.getByRole("button", { name: "Destroy…" }).click();
    await ask();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await ask();
    await dialog.getByText(id).waitFor();
    await page.keyboard.press("Enter"); // on Cancel, which has the focus
    await dialog.waitFor({ state: "detached" });
    assert.equal((await world.service.call("GET", `/v1/sandboxes/${id}`)).body.status, "running");
    await ask();
    await dialog.getByRole("button", { name: "Destroy" }).click();
    await section.getByText("stopped").waitFor();
    assert.equal((await world.service.call("GET", `/v1/sandboxes/${id}`)).body.status, "stopped");
    assert.equal(await section.getByRole("group", { name: "Actions" }).getByRole("button").count(), 0);
    // Nothing is left to press: the focus is on the heading, not lost.
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), id);
    await page.close();
  });

  it("may go on, or be destroyed, when it ended unasked", async () => {
    const { service } = world;
    const id = await service.sandbox();
    const page = await world.signedIn();
    const section = await selected(page, id);
    service.host.sandboxes.set(id, { status: "stopped", template: "minimal" });
    service.host.reports = [{ id: `r-${id}`, sandboxId: id, status: "stopped", reason: "the machine died" }];
    await section.getByText("the machine died").waitFor();
    const buttons = section.getByRole("group", { name: "Actions" }).getByRole("button");
    assert.deepEqual(await buttons.allTextContents(), ["Resume", "Boot cold…", "Destroy…"]);
    await section.getByRole("button", { name: "Destroy…" }).click();
    const dialog = page.getByRole("dialog", { name: "Destroy this sandbox?" });
    await dialog.getByText(`What was kept of ${id} is deleted`).waitFor();
    await dialog.getByRole("button", { name: "Destroy" }).click();
    await section.getByRole("button", { name: "Destroy…" }).waitFor({ state: "hidden" });
    assert.equal(await buttons.count(), 0);
    assert.equal(service.host.sandboxes.has(id), false);
    await page.reload();
    await section.getByText("stopped", { exact: true }).waitFor();
    assert.equal(await buttons.count(), 0);
    await page.close();
  });

  it("is followed without anybody pressing anything, and by its address", async () => {
    const id = await world.service.sandbox();
    const page = await world.signedIn();
    await selected(page, id);
    await page.reload();
    const section = page.getByRole("region", { name: "Selected sandbox" });
    await section.getByRole("heading", { name: id }).waitFor();
    await world.service.call("POST", `/v1/sandboxes/${id}/pause`);
    await section.getByText("paused", { exact: true }).waitFor();
    await world.service.call("DELETE", `/v1/sandboxes/${id}`);
    await section.getByText("stopped", { exact: true }).waitFor();
    await page.close();
  });
});

it("a time-out is counted down by the service's clock, not by the reader's", async () => {
  const id = await world.service.sandbox({ timeout_sec: 300 });
  const page = await world.open();
  await page.clock.install({ time: Date.now() + 3_600_000 });
  await page.reload();
  await page.getByLabel("API key").fill(world.service.key);
  await page.keyboard.press("Enter");
  await row(page, id)
    .getByText(/^(5:00|4:5\d) left$/)
    .waitFor();
  await page.close();
});

describe("what goes wrong", () => {
  it("is told where the sandbox is, with the service's reason", async () => {
    const id = await world.service.sandbox();
    const page = await world.signedIn();
    const section = await selected(page, id);
    world.service.host.before["pauseSandbox"] = () => {
      throw new Error("no pause today");
    };
    await section.getByRole("button", { name: "Pause" }).click();
    await section.getByRole("alert").filter({ hasText: /\w+: / }).waitFor();
    delete world.service.host.before["pauseSandbox"];
    const failed = page.getByRole("table").getByRole("row").filter({ hasText: "/pause" });
    assert.match(await textOf(failed), /5\d\d \w+/);
    await page.close();
  });

  it("is a service that is away, until it is there again", async () => {
    const page = await world.signedIn();
    await page.getByText("healthy").waitFor();
    await world.browser.context.setOffline(true);
    await page.getByText("not reachable, trying again").waitFor();
    await world.browser.context.setOffline(false);
    await page.getByRole("button", { name: "Refresh", exact: true }).click();
    await page.getByText("healthy").waitFor();
    await page.close();
    world.browser.complaints.length = 0;
  });
});

it("a long list is drawn piece by piece, and filtered", async () => {
  const key = await world.service.keyOf("many");
  const create = (index: number) =>
    world.service.call("POST", "/v1/sandboxes", { key, body: { metadata: { index: `no-${index}` } } });
  for (let i = 0; i < 120; i += 20) {
    const made = await Promise.all(Array.from({ length: 20 }, (_, j) => create(i + j)));
    for (const { status } of made) assert.equal(status, 201);
  }
  const page = await world.signedIn(key);
  await page.getByRole("tab", { name: "Sandboxes 120" }).waitFor();
  assert.equal(await page.locator(".row").count(), 100);
  await page.getByRole("button", { name: "Show more (20 are hidden)" }).click();
  await page.locator(".row").nth(119).waitFor();
  await page.getByLabel("Filter sandboxes").fill("index=no-77");
  await page.locator(".row").nth(1).waitFor({ state: "detached" });
  assert.match(await textOf(page.locator(".row")), /index=no-77/);
  await page.getByLabel("Filter sandboxes").fill("nothing like it");
  await page.getByText("No sandbox matches the filter.").waitFor();
  assert.deepEqual(world.browser.complaints, []);
  await page.close();
});
