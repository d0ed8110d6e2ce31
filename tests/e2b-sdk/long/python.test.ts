// E2B's unmodified client for Python, installed as it is published, on a real sandbox.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { run } from "@wrenn/linux";
import { type E2bPlatform, startE2b } from "../platform.ts";

const SOURCES = join(import.meta.dirname, "python");
const INSTALL_MS = 5 * 60_000;
const DRIVE_MS = 5 * 60_000;

describe("E2B's client for Python", () => {
  let dir = "";
  let e2b: E2bPlatform;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "wrenn-python-"));
    await run(["python3", "-m", "venv", join(dir, "venv")], { timeoutMs: INSTALL_MS });
    const pip = join(dir, "venv/bin/pip");
    const requirements = join(SOURCES, "requirements.txt");
    await run([pip, "install", "--quiet", "--no-deps", "--requirement", requirements], {
      timeoutMs: INSTALL_MS,
    });
    e2b = await startE2b();
  });
  after(async () => {
    await e2b?.platform.stop();
    await rm(dir, { recursive: true, force: true });
  });

  it("creates, runs commands, moves files, watches, pauses, connects, kills", async () => {
    const { apiKey, apiUrl, sandboxUrl } = e2b.options;
    const env = {
      PATH: process.env["PATH"] ?? "",
      E2B_API_KEY: apiKey,
      E2B_API_URL: apiUrl,
      E2B_SANDBOX_URL: sandboxUrl,
      PYTHONDONTWRITEBYTECODE: "1",
      PYTHONWARNINGS: "ignore",
    };
    const python = join(dir, "venv/bin/python3");
    const { stdout } = await run([python, join(SOURCES, "drive.py")], { timeoutMs: DRIVE_MS, env });
    assert.deepEqual(JSON.parse(stdout), {
      command: ["hello user\n", "oops\n", 0],
      exit: 3,
      streamed: "1\n2\n3\n",
      stdin: "through\n",
      listed: true,
      "killed process": true,
      text: "héllo",
      bytes: true,
      names: ["bytes", "hello.txt"],
      watched: true,
      removed: true,
      found: true,
      paused: true,
      state: "paused",
      kept: "x",
      alive: true,
      metrics: true,
      killed: true,
      "killed again": false,
      gone: true,
    });
  });
});
