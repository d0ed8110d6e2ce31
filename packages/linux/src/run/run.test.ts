import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CommandError } from "./command-error.ts";
import { run } from "./run.ts";

const failure = (check: Partial<CommandError>) => (error: unknown) => {
  assert.ok(error instanceof CommandError, String(error));
  for (const [key, value] of Object.entries(check)) {
    assert.deepEqual(error[key as keyof CommandError], value, key);
  }
  return true;
};

describe("run()", () => {
  it("passes arguments through untouched", async () => {
    const nasty = ["$(id)", "a b", "'; rm", '"', "*", ""];
    const { stdout } = await run(["printf", "%s\\n", ...nasty], { timeoutMs: 5000 });
    assert.deepEqual(stdout.split("\n").slice(0, -1), nasty);
  });

  it("feeds standard input and closes it", async () => {
    const { stdout } = await run(["cat"], { timeoutMs: 5000, input: "καλημέρα" });
    assert.equal(stdout, "καλημέρα");
  });

  it("does not fail because a command leaves its input unread", async () => {
    await run(["true"], { timeoutMs: 5000, input: "x".repeat(1024 * 1024) });
  });

  it("gives exactly the environment and directory asked for", async () => {
    const { stdout } = await run(["/usr/bin/env"], { timeoutMs: 5000, env: { ONLY: "1" } });
    assert.equal(stdout, "ONLY=1\n");
    assert.equal((await run(["pwd"], { timeoutMs: 5000, cwd: "/usr" })).stdout, "/usr\n");
  });

  it("reports the exit status and the end of standard error", async () => {
    await assert.rejects(
      run(["ls", "/does-not-exist"], { timeoutMs: 5000, env: { PATH: "/bin:/usr/bin", LC_ALL: "C" } }),
      failure({
        reason: "exit",
        argv0: "ls",
        exitCode: 2,
        code: "internal",
        stderr: "ls: cannot access '/does-not-exist': No such file or directory\n",
      }),
    );
  });

  it("keeps only the tail of standard error", async () => {
    const noisy = "for(let i=0;i<2000;i++)console.error('line '+i);process.exitCode=7";
    await assert.rejects(
      run([process.execPath, "-e", noisy], { timeoutMs: 20_000 }),
      (error: unknown) =>
        error instanceof CommandError &&
        error.exitCode === 7 &&
        error.stderr.length === 4096 &&
        error.stderr.endsWith("line 1999\n"),
    );
  });

  it("tells the lines of standard error, the last one too when it has no end", async () => {
    const lines: string[] = [];
    const script = "process.stderr.write('one\\nüw'); process.stderr.write('ei\\n' + 'x'.repeat(9000))";
    await run([process.execPath, "-e", script], {
      timeoutMs: 20_000,
      onStderrLine: (line) => lines.push(line),
    });
    assert.deepEqual(lines, ["one", "üwei", "x".repeat(4096)]);
  });

  it("reports a program that does not exist", async () => {
    await assert.rejects(
      run(["/nonexistent/program"], { timeoutMs: 5000 }),
      failure({ reason: "spawn", exitCode: null }),
    );
  });

  it("kills the whole process group when the time is up", async () => {
    const started = Date.now();
    await assert.rejects(
      run(["timeout", "30", "sleep", "30"], { timeoutMs: 50 }),
      failure({ reason: "timeout", code: "deadline_exceeded", signal: "SIGKILL" }),
    );
    assert.ok(Date.now() - started < 5000);
  });

  it("kills the command when its signal fires, and does not start it when it has fired", async () => {
    const reason = new Error("caller left");
    const controller = new AbortController();
    const running = run(["sleep", "30"], { timeoutMs: 20_000, signal: controller.signal });
    controller.abort(reason);
    await assert.rejects(running, failure({ reason: "aborted", cause: reason }));
    await assert.rejects(
      run(["sleep", "30"], { timeoutMs: 20_000, signal: controller.signal }),
      failure({ reason: "aborted" }),
    );
  });

  it("fails instead of keeping more output than allowed", async () => {
    await assert.rejects(
      run(["cat", "/dev/zero"], { timeoutMs: 5000, maxOutput: 1000 }),
      failure({ reason: "output" }),
    );
    const { stdout } = await run(["head", "-c", "1000", "/dev/zero"], { timeoutMs: 5000, maxOutput: 1000 });
    assert.equal(stdout.length, 1000);
  });
});
