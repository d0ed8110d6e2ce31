// The built-in template `code-interpreter`: what its libraries draw and show, through E2B's unmodified clients.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Sandbox } from "@e2b/code-interpreter";
import { run } from "@wrenn/linux";
import { type E2bPlatform, startE2b } from "../e2b-sdk/platform.ts";

describe("the template code-interpreter", () => {
  let e2b: E2bPlatform;
  let sandbox: Sandbox;
  const create = (template = "code-interpreter-v1") =>
    Sandbox.create(template, { ...e2b.options, timeoutMs: 600_000 });
  before(async () => {
    e2b = await startE2b();
    const began = performance.now();
    await e2b.platform.client.templates.ensure("code-interpreter");
    console.log(`built in ${ms(performance.now() - began)}`);
    sandbox = await create();
  });
  after(() => e2b?.platform.stop());

  it("has a first result soon after the creation: nothing has to be loaded any more", async (test) => {
    const began = performance.now();
    const other = await create();
    const created = performance.now();
    assert.equal((await other.runCode("import numpy, pandas, matplotlib.pyplot; 6 * 7")).text, "42");
    const done = performance.now();
    test.diagnostic(`created in ${ms(created - began)}, then a result in ${ms(done - created)}`);
    assert.ok(done - created < 5_000, ms(done - created));
    await other.kill();
  });

  it("draws: a PNG, and what it shows as data", async () => {
    const { results, error } = await sandbox.runCode(
      "import matplotlib.pyplot as plt\nplt.figure(figsize=(4, 3), dpi=100)\nplt.plot([1, 2, 3], [1, 4, 9], label='squares')\n" +
        "plt.title('Squares')\nplt.xlabel('Time (s)')\nplt.show()\nplt.bar(['a', 'b'], [3, 5])\nplt.ylabel('Count')\nplt.show()",
    );
    assert.equal(error, undefined);
    assert.equal(results.length, 2);
    const size = pngSize(results[0]?.png);
    assert.ok(
      size.width > 300 && size.width < 420 && size.height > 200 && size.height < 320,
      JSON.stringify(size),
    );
    assert.equal(results[0]?.isMainResult, false);
    const line = results[0]?.chart;
    assert.deepEqual(
      [line?.type, line?.title, line && "x_unit" in line && line.x_unit, line?.elements],
      [
        "line",
        "Squares",
        "s",
        [
          {
            label: "squares",
            points: [
              [1, 1],
              [2, 4],
              [3, 9],
            ],
          },
        ],
      ],
    );
    const bar = results[1]?.chart;
    assert.equal(bar?.type, "bar");
    assert.deepEqual(
      bar?.elements.map((each) => "label" in each && "value" in each && [each.label, each.value]),
      [
        ["a", 3],
        ["b", 5],
      ],
    );
  });

  it("shows a data frame as text, HTML and columns, and whatever else Jupyter shows", async () => {
    const frame = (
      await sandbox.runCode("import pandas as pd\npd.DataFrame({'a': [1, 2], 'b': ['x', None]})")
    ).results[0];
    assert.match(frame?.html ?? "", /<table/);
    assert.deepEqual(frame?.data, { a: [1, 2], b: ["x", null] });
  });

  it("has clones whose numpy differs", async () => {
    await sandbox.runCode("import numpy; numpy.random.seed(1)");
    const snapshot = await sandbox.createSnapshot();
    const clones = await Promise.all([1, 2].map(() => create(snapshot.snapshotId)));
    const drawn = [];
    for (const clone of clones) drawn.push((await clone.runCode("numpy.random.random()")).text);
    assert.equal(new Set([...drawn, "0.417022004702574"]).size, 3, drawn.join(" | "));
    await Promise.all(clones.map((clone) => clone.kill()));
  });

  it("works with E2B's client for Python, too", async () => {
    assert.deepEqual(await drive(e2b), {
      value: ["42", ["out\n"]],
      streamed: "0 \u2028\n1 \u2028\n2 \u2028\n",
      error: [["ZeroDivisionError"], "division by zero"],
      charts: ["LineChart", "BarChart", "PieChart", "BoxAndWhiskerChart", "SuperChart"],
      pictures: true,
      context: ["python", "/tmp", "/tmp"],
      listed: true,
      removed: true,
      bash: ["/home/user\n"],
      killed: true,
    });
  });
});

/** Installs the client for Python into a new directory, and runs a script with it. */
async function drive({ options }: E2bPlatform): Promise<unknown> {
  const dir = await mkdtemp(join(tmpdir(), "wrenn-python-"));
  const timeoutMs = 5 * 60_000;
  try {
    await run(["python3", "-m", "venv", join(dir, "venv")], { timeoutMs });
    const lists = ["python", "../e2b-sdk/long/python"].flatMap((where) => [
      "--requirement",
      join(import.meta.dirname, where, "requirements.txt"),
    ]);
    await run([join(dir, "venv/bin/pip"), "install", "--quiet", "--no-deps", ...lists], { timeoutMs });
    const script = join(import.meta.dirname, "python/drive.py");
    const env = {
      PATH: process.env["PATH"] ?? "",
      E2B_API_KEY: options.apiKey,
      E2B_API_URL: options.apiUrl,
      E2B_SANDBOX_URL: options.sandboxUrl,
      PYTHONDONTWRITEBYTECODE: "1",
      PYTHONWARNINGS: "ignore",
    };
    return JSON.parse((await run([join(dir, "venv/bin/python3"), script], { timeoutMs, env })).stdout);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

const ms = (time: number) => `${time.toFixed(0)} ms`;

/** Width and height of a PNG in base64; throws when it is none. */
function pngSize(base64: string | undefined): { width: number; height: number } {
  const bytes = Buffer.from(base64 ?? "", "base64");
  assert.equal(bytes.subarray(0, 8).toString("latin1"), "\x89PNG\r\n\x1a\n");
  assert.equal(bytes.subarray(12, 16).toString("latin1"), "IHDR");
  assert.equal(bytes.subarray(-8, -4).toString("latin1"), "IEND");
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}
