// Where the agent's randomness comes from: it must differ between clones of a running agent.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { bunExecutable } from "../build.ts";
import { until } from "../testing/run-command.ts";
import { RunningEnvd, TOKEN } from "../testing/running-envd.ts";

const USER_SPACE = /Math\.random|randomUUID|randomBytes|randomInt|randomFill|getRandomValues|webcrypto/;

test("no generator in user space is in the agent, its libraries included", async () => {
  const main = join(import.meta.dirname, "../main.ts");
  const { stdout } = await promisify(execFile)(bunExecutable(), ["build", main, "--target=bun"], {
    maxBuffer: 16 * 1024 * 1024,
  });
  assert.match(stdout, /\/dev\/urandom/);
  const lines = stdout.split("\n").filter((line) => !/^\s*(\/\/|\*|\/\*)/.test(line));
  assert.deepEqual(
    lines.filter((line) => USER_SPACE.test(line)),
    [],
  );
});

test("random names are read from the kernel when they are needed, not before", async () => {
  const dir = mkdtempSync(join(tmpdir(), "envd-"));
  try {
    // An agent whose kernel draws zeroes, from some time after its start on.
    await using envd = await RunningEnvd.start({
      wrapper: ["unshare", "--mount", "--propagation", "private"],
    });
    const upload = async () => {
      const body = Promise.withResolvers<void>();
      const stream = new ReadableStream<Uint8Array>({
        async start(controller) {
          controller.enqueue(Buffer.from("x"));
          await body.promise;
          controller.close();
        },
      });
      const reply = envd.fetch(`/files?username=root&path=${dir}/f`, {
        method: "POST",
        headers: { "content-type": "application/octet-stream", "x-access-token": TOKEN },
        body: stream,
        duplex: "half",
      });
      let names: string[] = [];
      await until("there is a temporary file", () => {
        names = readdirSync(dir).filter((name) => name !== "f");
        return names.length > 0;
      });
      body.resolve();
      assert.equal((await reply).status, 200);
      return names;
    };
    assert.doesNotMatch(String(await upload()), /-0{16}$/);
    const enter = ["--mount", `--target=${envd.pid}`, "mount", "--bind", "/dev/zero", "/dev/urandom"];
    await promisify(execFile)("nsenter", enter);
    assert.match(String(await upload()), /^\.wrenn-upload-replacing-0{16}$/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
