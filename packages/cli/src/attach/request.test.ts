import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UsageError } from "../failure.ts";
import { streamRequest } from "./request.ts";

const surroundings = (columns?: number, rows?: number) => ({
  env: { TERM: "xterm-256color", SECRET: "s" },
  stdout: { columns, rows },
});

describe("streamRequest()", () => {
  it("sends what was asked for and nothing else", () => {
    const flags = { tty: false, env: ["A=1"], user: "root", workdir: "/tmp", timeout: 5 };
    assert.deepEqual(streamRequest(["ls", "-l"], flags, surroundings()), {
      cmd: "ls",
      args: ["-l"],
      cwd: "/tmp",
      user: "root",
      timeout_sec: 5,
      envs: { A: "1" },
    });
    assert.deepEqual(streamRequest(["ls"], { tty: false }, surroundings()), { cmd: "ls", args: [] });
  });

  it("describes the terminal for -t", () => {
    assert.deepEqual(streamRequest(["sh"], { tty: true }, surroundings(120, 40)), {
      cmd: "sh",
      args: [],
      envs: { TERM: "xterm-256color" },
      pty: { cols: 120, rows: 40 },
    });
    assert.deepEqual(streamRequest(["sh"], { tty: true, env: ["TERM=dumb"] }, surroundings()).envs, {
      TERM: "dumb",
    });
    assert.deepEqual(streamRequest(["sh"], { tty: true }, surroundings()).pty, { cols: 80, rows: 24 });
  });

  it("wants a command", () => {
    assert.throws(() => streamRequest([], { tty: false }, surroundings()), UsageError);
  });
});
