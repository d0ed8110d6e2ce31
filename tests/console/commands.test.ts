// Commands in the console: streamed and captured output, input, and output that tries to be more than text.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import type { Locator, Page } from "playwright-core";
import { selected, startWorld, textOf, type World } from "./world.ts";

let world: World;
let page: Page;
let section: Locator;

before(async () => {
  world = await startWorld();
  const id = await world.service.sandbox();
  page = await world.signedIn();
  page.on("dialog", (dialog) => {
    world.browser.complaints.push(`a dialog opened: ${dialog.message()}`);
    void dialog.dismiss();
  });
  section = await selected(page, id);
  // The fake host has scripts in place of a shell.
  await section.getByLabel("In a shell").uncheck();
});

after(async () => {
  await world[Symbol.asyncDispose]();
});

beforeEach(() => {
  assert.deepEqual(world.browser.complaints, []);
});

/** Types a command and gives the card of its run. */
async function run(line: string): Promise<Locator> {
  const command = section.getByLabel("Command", { exact: true });
  const before = await section.getByRole("article").count();
  await command.fill(line);
  await command.press("Enter");
  await section.getByRole("article").nth(before).waitFor();
  return section.getByRole("article").first();
}

const output = (card: Locator) => card.locator(".output");
const lines = (card: Locator) => output(card).locator(".line:not([hidden])").allTextContents();

describe("streamed", () => {
  it("output comes with the exit code, the streams told apart", async () => {
    const ok = await run("print 'one\\ntwo\\n'");
    await ok.getByText("exit 0").waitFor();
    assert.deepEqual(await lines(ok), ["one", "two"]);
    const failed = await run("warn 'no such file'");
    await failed.getByText("exit 1").waitFor();
    assert.equal(await textOf(failed.locator(".stderr")), "no such file");
  });

  it("input goes in while it runs, and its end ends it", async () => {
    const card = await run("cat");
    await card.getByLabel(/^Input for cat/).fill("hello");
    await card.getByLabel(/^Input for cat/).press("Enter");
    await output(card).getByText("hello").waitFor();
    await card.getByRole("button", { name: "End of input" }).click();
    await card.getByText("exit 0").waitFor();
    assert.equal(await card.getByLabel(/^Input for cat/).isVisible(), false);
  });

  it("is interrupted and stopped", async () => {
    const interrupted = await run("cat");
    await interrupted.getByRole("button", { name: "Ctrl-C" }).click();
    await interrupted.getByText("SIGINT").waitFor();
    const stopped = await run("cat");
    await stopped.getByRole("button", { name: "Stop" }).click();
    await stopped.getByText("SIGKILL").waitFor();
  });

  it("without an exit code is no success", async () => {
    const missing = await run("missing");
    await missing.getByText("command_not_found").waitFor();
    const lost = await run("lost");
    await lost.getByText(/guest_unreachable|unavailable|internal/).waitFor();
    await output(lost).getByText("partial").waitFor();
    const late = await run("late");
    await late.getByText("timed out").waitFor();
  });

  it("in a flood stays within bounds, and the page alive", async () => {
    const card = await run("flood 8000000");
    await card.getByText("exit 0").waitFor({ timeout: 60_000 });
    assert.match(await textOf(card.locator(".figures")), /7\.6\d MiB/);
    const length = await output(card).evaluate((element) => element.textContent?.length ?? 0);
    assert.ok(length > 1_000_000 && length < 2_100_000, `${length} characters`);
    await card.getByRole("button", { name: "Dismiss" }).click();
    await card.getByText("flood").waitFor({ state: "detached" });
  });
});

it("captured output comes at the end, with its own time", async () => {
  await section.getByLabel("Stream the output").uncheck();
  const card = await run("echo a b");
  await card.getByText(/exit 0, [\d.]+ ms in the guest/).waitFor();
  assert.deepEqual(await lines(card), ["a b"]);
  await section.getByLabel("Stream the output").check();
});

it("the arrow keys bring a line back, and an open quote is pointed out", async () => {
  const command = section.getByLabel("Command", { exact: true });
  await command.press("ArrowUp");
  assert.equal(await command.inputValue(), "echo a b");
  await command.fill("echo 'a");
  await command.press("Enter");
  await section.getByText("a single quote is not closed").waitFor();
  await command.fill("");
});

describe("hostile text", () => {
  const MARKUP = `<script>window.pwned=1</script><img src=x onerror="window.pwned=1">`;
  const ANSI = "\u{1b}[31mred\u{1b}]0;title\u{7}\u{1b}[2J\u{1b}[10;10H";
  const TURNED = "abc\u{202e}gpj.exe";

  /** Nothing ran, nothing was added that is not the page's own, no escape is left in what is shown. */
  async function assertHarmless(): Promise<void> {
    const found = await page.evaluate(() => ({
      pwned: "pwned" in window,
      scripts: document.scripts.length,
      images: [...document.images].filter(({ src }) => !src.includes("/test/icon-")).length,
      title: document.title,
      text: document.body.textContent ?? "",
    }));
    assert.deepEqual(
      { ...found, text: "" },
      { pwned: false, scripts: 1, images: 0, title: "Wrenn Sandbox", text: "" },
    );
    for (const character of ["\u{1b}", "\u{7}", "\u{202e}"]) assert.ok(!found.text.includes(character));
    assert.deepEqual(world.browser.complaints, []);
  }

  it("in output is text, coloured at most", async () => {
    const card = await run(`print '${MARKUP}\\n' '${ANSI}\\n' '${TURNED}\\n'`);
    await card.getByText("exit 0").waitFor();
    const text = await textOf(output(card));
    assert.ok(text.includes(MARKUP), text);
    assert.ok(text.includes("abc\\u{202e}gpj.exe"), text);
    assert.equal(await textOf(output(card).locator(".fg-1").first()), "red");
    await assertHarmless();
  });

  it("in metadata, and in what fails, is text", async () => {
    const id = await world.service.sandbox({
      metadata: { [MARKUP]: ANSI, [TURNED]: MARKUP, __proto__x: "1", constructor: "2" },
    });
    await selected(page, id);
    await section.getByText("abc\\u{202e}gpj.exe").first().waitFor();
    world.service.host.before["pauseSandbox"] = () => {
      throw new Error(`${MARKUP} ${ANSI}`);
    };
    await section.getByRole("button", { name: "Pause" }).click();
    await section.getByRole("alert").filter({ hasText: /\w/ }).first().waitFor();
    delete world.service.host.before["pauseSandbox"];
    await assertHarmless();
  });

  it("in the page's address is text", async () => {
    await page.goto(`${world.service.url}/test#${encodeURIComponent(MARKUP)}`);
    await page.reload();
    await section.getByText("There is no sandbox").waitFor();
    await assertHarmless();
  });
});
