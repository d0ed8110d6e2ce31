import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { after, describe, it } from "node:test";
import { isAlive, type ProcessIdentity, processIdentity } from "../process/identity.ts";
import { kill, waitForExit } from "../process/signal.ts";
import { CommandError } from "../run/command-error.ts";
import type { Argv } from "../run/host-side.ts";
import { TRIAL, Trials } from "./trial.ts";

const trials = new Trials();
after(() => trials[Symbol.dispose]());
const { dir, output } = trials;
const start = trials.start.bind(trials);
const inside = trials.inside.bind(trials);

describe("spawnConfined()", () => {
  it("reports the exit status", async () => {
    assert.equal((await inside(["false"])).status, 1);
    assert.equal((await inside(["true"])).status, 0);
  });

  it("kills everything with the program", async () => {
    const program = await start(["timeout", "60", "sleep", "60"]);
    const children = readFileSync(
      `/proc/${program.identity.pid}/task/${program.identity.pid}/children`,
      "utf8",
    );
    kill(program.identity, "SIGKILL");
    assert.deepEqual(await program.exited, { status: 137 });
    for (const pid of children.split(" ").filter(Boolean))
      assert.equal(processIdentity(Number(pid)), undefined);
  });

  it("fails with what bwrap said, and leaves nothing", async () => {
    await assert.rejects(
      start(["true"], { netns: "/run/netns/does-not-exist" }),
      (error) =>
        error instanceof CommandError && error.reason === "exit" && /does-not-exist/.test(error.stderr),
    );
  });

  it("leaves nothing when the control group refuses", async () => {
    const refusal = new Error("no");
    let held = 0;
    const cgroup = {
      ...{
        path: "x",
        members: () => [],
        kill: async () => {},
        remove: async () => {},
        removeIfUnused: () => {},
      },
      add(pid: number) {
        held = pid;
        throw refusal;
      },
    };
    await assert.rejects(
      start(["touch", "/tmp/ran"], {}, { cgroup }),
      (error) => error instanceof CommandError && error.cause === refusal,
    );
    assert.notEqual(held, 0);
    assert.equal(processIdentity(held), undefined);
    assert.equal(readFileSync(output, "utf8"), "", "it never ran");
  });

  it("starts a program that survives the end of its starter", async () => {
    const { starter, identity } = await startStarter(["sleep", "60"]);
    assert.equal(isAlive(identity), true);
    starter.kill("SIGKILL");
    await once(starter, "exit");
    assert.equal(await waitForExit(identity, 200), false, "it lives on");
    kill(identity, "SIGKILL");
    assert.equal(await waitForExit(identity, 5000), true);
  });

  it("passes on no descriptor that its own process was started with", async () => {
    const file = openSync(join(dir, "leak"), "w");
    const { starter, identity } = await startStarter(
      ["ls", "-l", "/proc/self/fd"],
      ["ignore", "ignore", file],
    );
    closeSync(file);
    assert.equal(await waitForExit(identity, 5000), true);
    starter.kill("SIGKILL");
    await once(starter, "exit");
    const targets = [...readFileSync(output, "utf8").matchAll(/ (\d+) -> (\S+)/g)].map(([, fd, to]) => [
      fd,
      to,
    ]);
    assert.deepEqual(
      targets.filter(([, to]) => to !== "/dev/null").map(([fd]) => fd),
      ["1", "2", "3"],
      "output, and the directory that ls reads",
    );
  });
});

/** Another process that starts a confined program, prints its identity, and stays; descriptors from 3 on. */
async function startStarter(argv: Argv, fds: (number | "ignore")[] = []) {
  const script = join(dir, "starter.ts");
  writeFileSync(
    script,
    `import { openSync } from "node:fs";
     import { spawnConfined } from ${JSON.stringify(join(import.meta.dirname, "spawn.ts"))};
     const fd = openSync(${JSON.stringify(output)}, "w");
     const options = { stdout: fd, stderr: fd, env: { PATH: "/usr/bin" } };
     const program = await spawnConfined(${JSON.stringify(TRIAL)}, ${JSON.stringify(argv)}, options);
     console.log(JSON.stringify(program.identity));
     setInterval(() => {}, 1000);`,
  );
  const starter = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit", ...fds] });
  const stdout = starter.stdio[1] as Readable;
  const [line] = (await once(stdout, "data")) as [Buffer];
  return { starter, identity: JSON.parse(line.toString()) as ProcessIdentity };
}
