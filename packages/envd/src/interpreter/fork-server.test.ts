// The process that kernels are forked from, in the place of which there is a program that says something else.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ForkServer, type Launched } from "./fork-server.ts";

const directory = mkdtempSync(join(tmpdir(), "wrenn-fork-server-"));
after(() => rmSync(directory, { recursive: true }));

for (const said of ["", "x".repeat(2000)]) {
  test(`a program that says ${said.length} characters and not that it is ready is killed`, async (t) => {
    const started: Launched[] = [];
    t.after(() => started[0]?.kill());
    const server = new ForkServer({
      socketPath: join(directory, "kernels.sock"),
      modules: [],
      launch: () => {
        const program = launch(`console.log("${said}"); setInterval(() => {}, 1000)`);
        started.push(program);
        return program;
      },
    });
    await assert.rejects(server.ready());
    assert.deepEqual(await started[0]?.exited, [null, "SIGKILL"]);
    server.close();
  });
}

function launch(script: string): Launched {
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "pipe"] });
  return {
    pid: child.pid ?? 0,
    write: () => Promise.reject(new Error("it reads nothing")),
    stdout: child.stdout,
    stderr: child.stderr,
    exited: once(child, "exit"),
    kill: () => child.kill("SIGKILL"),
  };
}
