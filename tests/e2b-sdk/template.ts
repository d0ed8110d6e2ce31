// E2B's unmodified client builds a template, and makes sandboxes from it.
import assert from "node:assert/strict";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { BuildError, type LogEntry, Sandbox, Template, waitForPort } from "e2b";
import type { E2bPlatform } from "./platform.ts";

const CONTEXT = join(import.meta.dirname, "context");

export function templateTests(platform: () => E2bPlatform): void {
  describe("E2B's client builds templates", () => {
    let e2b: E2bPlatform;
    before(() => {
      e2b = platform();
    });

    it("with files, variables, users, directories, commands, and a program that runs already", async () => {
      const template = Template({ fileContextPath: CONTEXT })
        .fromTemplate("base")
        .setEnvs({ COLOUR: 'it\'s "blue" & $green', PATH: "/opt/bin:$PATH" })
        .runCmd("echo building in $(pwd) as $(whoami)")
        .copy("one.txt", "/opt/renamed.txt", { user: "root", mode: 0o600 })
        .copy("dir", "copied")
        .copy("*.txt", "/srv/all/")
        .runCmd("echo by root > /root/file", { user: "root" })
        .setWorkdir("/home/user/app")
        .setStartCmd("python3 -m http.server 8123 --directory /srv/all", waitForPort(8123));
      assert.equal(await Template.exists("built", e2b.options), false);
      const entries: LogEntry[] = [];
      await Template.build(template, "built", {
        ...e2b.options,
        onBuildLogs: (entry) => entries.push(entry),
      });
      assert.ok(entries.some(({ message }) => message.includes("building in /home/user as user")));
      assert.equal(await Template.exists("built", e2b.options), true);

      const sandbox = await e2b.sandbox({ template: "built" });
      const { stdout } = await sandbox.commands.run('pwd; echo "$COLOUR"; cat /home/user/copied/deep.txt');
      assert.equal(stdout, '/home/user/app\nit\'s "blue" & $green\ndeep\n');
      const asRoot = await sandbox.commands.run(
        "cat /root/file; stat -c '%U %a' /opt/renamed.txt; stat -c %U /home/user/copied/deep.txt",
        {
          user: "root",
        },
      );
      assert.equal(asRoot.stdout, "by root\nroot 600\nuser\n");
      assert.equal(await (await e2b.fetchFrom(sandbox, 8123, "/two.txt")).text(), "two\n");
      // Without a shell, and with a path of its own in a shell that logs in.
      const { stdout: bare } = await e2b.platform.client.sandboxes.exec(sandbox.sandboxId, { cmd: "env" });
      assert.match(bare, /^COLOUR=it's "blue" & \$green$/m);
      const { stdout: path } = await sandbox.commands.run("echo $PATH");
      assert.match(path, /^\/opt\/bin:\/usr\/local\/sbin:/);
      const more = await e2b.sandbox({ template: "built", envs: { OTHER: "1" } });
      assert.equal((await more.commands.run('echo "$OTHER $COLOUR"')).stdout, '1 it\'s "blue" & $green\n');
      await more.kill();
      await sandbox.kill();
      const again: string[] = [];
      await Template.build(template, "built:again", {
        ...e2b.options,
        onBuildLogs: ({ message }) => again.push(message),
      });
      const steps = again.filter((message) => /\[\d+\/\d+\]/.test(message));
      assert.ok(steps.length > 0 && steps.every((message) => message.startsWith("CACHED")), again.join("\n"));
      const tagged = await e2b.sandbox({ template: "built:again" });
      assert.equal(await tagged.files.read("/home/user/copied/deep.txt"), "deep\n");
      await tagged.kill();
      assert.equal(await Sandbox.deleteSnapshot("built", e2b.options), true);
      assert.deepEqual(await Sandbox.list(e2b.options).nextItems(), []);
    });

    it("says which step failed, with its output, and leaves nothing behind", async () => {
      const template = Template().fromTemplate("base").runCmd("echo so far").runCmd("echo oops >&2; exit 7");
      const messages: string[] = [];
      await assert.rejects(
        Template.build(template, "broken", {
          ...e2b.options,
          onBuildLogs: ({ message }) => messages.push(message),
        }),
        (error: BuildError) => error instanceof BuildError && /exit status 7/.test(error.message),
      );
      assert.ok(messages.some((message) => message.includes("oops")));
      assert.equal(await Template.exists("broken", e2b.options), false);
      assert.deepEqual(await Sandbox.list(e2b.options).nextItems(), []);
      const image = Template().fromImage("debian:13").runCmd("true");
      await assert.rejects(Template.build(image, "other", e2b.options), /not allowed here/);
    });
  });
}
