// The compiled agent.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFileSync, cpSync, createReadStream, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { buildEnvd, envdKey } from "./build.ts";
import { run } from "./testing/run-command.ts";
import { RunningEnvd } from "./testing/running-envd.ts";
import { ENVD_VERSION } from "./version.ts";

test("two builds are the same bytes, and the executable works", async () => {
  const dir = mkdtempSync(join(tmpdir(), "envd-build-"));
  try {
    const hashes: string[] = [];
    for (const outFile of [`${dir}/one`, `${dir}/two`]) {
      await buildEnvd({ outFile });
      const hash = createHash("sha256");
      for await (const chunk of createReadStream(outFile)) hash.update(chunk);
      hashes.push(hash.digest("hex"));
    }
    assert.equal(hashes[0], hashes[1]);
    const { stdout } = await promisify(execFile)(`${dir}/one`, ["--version"]);
    assert.equal(stdout, `${ENVD_VERSION}\n`);
    await using envd = await RunningEnvd.start({ executable: `${dir}/one`, args: ["--machine", "foreign"] });
    const pty = { size: { cols: 80, rows: 24 } };
    assert.equal((await run(envd.processAs("nobody"), ["id", "-un"])).stdout, "nobody\n");
    assert.equal((await run(envd.process, ["tty"], { pty })).pty.startsWith("/dev/pts/"), true);
    // What is loaded on its first use only.
    const events = envd.filesystem.watchDir({ path: dir })[Symbol.asyncIterator]();
    await events.next();
    const headers = {
      "content-type": "application/octet-stream",
      "content-encoding": "gzip",
      "x-metadata-k": "v",
    };
    const upload = { method: "POST", headers, body: gzipSync("packed") };
    assert.equal((await envd.fetch(`/files?username=root&path=${dir}/f`, upload)).status, 200);
    assert.deepEqual((await envd.filesystem.stat({ path: `${dir}/f` })).entry?.metadata, { k: "v" });
    const told = (await events.next()).value?.event;
    assert.equal(told?.case === "filesystem" && told.value.name, "f");
    const body = JSON.stringify({ syncMs: 0 });
    assert.equal((await envd.fetch("/quiesce", { method: "POST", body })).status, 204);
    assert.equal((await fetch(`${envd.url}/files?path=${dir}/f&signature=v1_x`)).status, 401);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("the key follows the sources, and not the place where they lie", async () => {
  // Beside the package, so that its imports are found.
  const packageDir = join(import.meta.dirname, "..");
  const copy = mkdtempSync(join(packageDir, ".key-"));
  try {
    cpSync(import.meta.dirname, join(copy, "src"), { recursive: true });
    const { envdKey: keyOf } = (await import(join(copy, "src/build.ts"))) as { envdKey: typeof envdKey };
    const key = await envdKey();
    assert.match(key, /^[0-9a-f]{64}$/);
    assert.equal(await keyOf(), key);
    const kernel = readdirSync(join(copy, "src/interpreter/kernels")).find((name) => name.endsWith(".py"));
    assert.ok(kernel);
    appendFileSync(join(copy, "src/interpreter/kernels", kernel), "\n");
    const other = await keyOf();
    assert.notEqual(other, key);
    appendFileSync(join(copy, "src/main.ts"), "\nprocess.exitCode = 9;\n");
    assert.notEqual(await keyOf(), other);
  } finally {
    rmSync(copy, { recursive: true });
  }
});
