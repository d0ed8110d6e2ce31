import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { programOf, runProgram } from "./platform.ts";

describe("programOf()", () => {
  it("hands the rest of the command line on as it is", () => {
    const argv = programOf(["up", "--listen", "127.0.0.1:0", "--", "-x"]);
    assert.match(argv?.[0] ?? "", /packages\/supervisor\/src\/main\.ts$/);
    assert.deepEqual(argv?.slice(1), ["up", "--listen", "127.0.0.1:0", "--", "-x"]);
    assert.match(programOf(["test", "--list"])?.[0] ?? "", /tests\/main\.ts$/);
  });

  it("asks the supervisor for its help", () => {
    assert.deepEqual(programOf(["down", "--help"])?.slice(1), ["--help"]);
  });

  it("knows its commands only", () => {
    for (const argv of [[], ["run"], ["constructor"], ["--help"]]) assert.equal(programOf(argv), undefined);
  });
});

describe("runProgram()", () => {
  it("answers with the program's exit status, 128 + number after a signal", async () => {
    assert.equal(await runProgram(["-e", "process.exit(7)"]), 7);
    assert.equal(await runProgram(["-e", "process.kill(process.pid, 'SIGKILL')"]), 137);
  });
});
