// E2B's unmodified client builds templates of images: of a layout on the machine, and of a registry on its loopback.
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type LogEntry, Template } from "e2b";
import { makeImage, TestRegistry, writeLayout } from "../../../packages/template/src/testing/test-image.ts";
import { type E2bPlatform, startE2b } from "../platform.ts";
import { smallSystem } from "./small-image.ts";

describe("E2B's client builds templates of images", () => {
  let dir = "";
  let e2b: E2bPlatform;
  let registry: TestRegistry;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "wrenn-images-"));
    const system = smallSystem();
    const upper = [{ path: "srv/", type: "Directory" } as const, { path: "srv/who", content: "layout" }];
    const envs = ["COLOUR=green", "PATH=/opt/bin:/usr/bin"];
    await writeLayout(join(dir, "small"), { v1: makeImage([system, upper], { envs }) });
    registry = await TestRegistry.start(
      makeImage([system, [{ path: "srv/who", content: "registry" }]], { packing: "zstd", index: true }),
    );
    registry.guard = "token";
    e2b = await startE2b({ WRENN_IMAGE_DIR: dir, WRENN_REGISTRIES: `plain:${registry.name}` });
  });
  after(async () => {
    await e2b?.platform.stop();
    await registry?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  it("of a layout, with its variables, and the user that commands are run as", async () => {
    const template = Template()
      .fromImage("oci:small:v1")
      .runCmd("echo built by $(whoami) in $(pwd) with $COLOUR > /home/user/note")
      .runCmd("mkdir /opt && echo 'echo found' > /opt/tool", { user: "root" });
    const entries: LogEntry[] = [];
    await Template.build(template, "of-layout", {
      ...e2b.options,
      onBuildLogs: (entry) => entries.push(entry),
    });
    const sandbox = await e2b.sandbox({ template: "of-layout" });
    const { stdout } = await sandbox.commands.run("cat /srv/who note; echo; echo $PATH; pwd");
    assert.equal(stdout, "layoutbuilt by user in /home/user with green\n\n/opt/bin:/usr/bin\n/home/user\n");
    const { stdout: bare } = await e2b.platform.client.sandboxes.exec(sandbox.sandboxId, { cmd: "env" });
    assert.match(bare, /^COLOUR=green$/m);
    await sandbox.kill();
  });

  it("of a registry that wants to be shown a password, and nothing else of it is seen", async () => {
    const { username, password, name } = registry;
    const template = Template().fromImage(`${name}/app:v1`, { username, password }).runCmd("cat /srv/who");
    const messages: string[] = [];
    await Template.build(template, "of-registry", {
      ...e2b.options,
      onBuildLogs: ({ message }) => messages.push(message),
    });
    assert.ok(messages.includes("[stdout]: registry"), messages.join("\n"));
    assert.doesNotMatch(messages.join("\n"), new RegExp(password));
    const logs = join(e2b.platform.dataDir, "log");
    const files = await readdir(logs);
    assert.ok(files.length >= 2, files.join(" "));
    for (const file of files) {
      const text = await readFile(join(logs, file), "utf8");
      assert.ok(!text.includes(password) && !text.includes(btoa(`${username}:${password}`)), file);
    }
    const wrong = Template().fromImage(`${name}/app:v1`, { username, password: "wrong" });
    await assert.rejects(Template.build(wrong, "wrong", e2b.options), /does not let us in/);
  });

  it("not from elsewhere", async () => {
    const away = Template().fromImage("debian:13");
    await assert.rejects(Template.build(away, "away", e2b.options), /not allowed here.*WRENN_REGISTRIES/);
    const out = Template().fromImage("oci:../etc");
    await assert.rejects(Template.build(out, "out", e2b.options), /relative path/);
  });
});
