// The start of the code interpreter with real kernels, and what keeps it from starting.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { InterpreterWorld } from "../testing/interpreter-world.ts";

describe("a code interpreter that cannot be started", () => {
  it("says why, and is tried again with the next code", async () => {
    await using world = new InterpreterWorld({ preload: ["no_such_module"] });
    await assert.rejects(world.interpreter.settled, /No module named 'no_such_module'/);
    const { error, types } = await world.run("1");
    assert.match(String(error?.["value"]), /No module named 'no_such_module'/);
    assert.equal(types.at(-1), "end_of_execution");
    assert.equal((await world.request("GET", "/health")).status, 500);
    assert.equal(world.programs.length, 2);
  });

  it("is well again once it could be started", async () => {
    await using world = new InterpreterWorld({ preload: ["late_module"] });
    await assert.rejects(world.interpreter.settled, /No module named 'late_module'/);
    const env = { PATH: "/usr/bin:/bin", HOME: world.home };
    const site = execFileSync("python3", ["-c", "import site; print(site.getusersitepackages())"], { env });
    const directory = site.toString().trim();
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "late_module.py"), "");
    assert.equal((await world.run("1 + 1")).text, "2");
    assert.equal((await world.request("GET", "/health")).status, 200);
  });
});

describe("a module that prints when it is loaded", () => {
  it("is loaded like any other", async () => {
    await using world = new InterpreterWorld({ preload: ["this"] });
    await world.interpreter.settled;
    assert.deepEqual((await world.run("import this\nprint(2)")).stdout, "2\n");
  });
});
