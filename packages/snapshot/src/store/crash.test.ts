import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { FAULT_FILE_VARIABLE, run } from "@wrenn/linux";
import { BOOTED, FACTS, fill, restored, save, TrialMemory, TrialStore } from "./test-store.ts";

const sources = globSync("../**/*.ts", { cwd: import.meta.dirname }).filter(
  (path) => !path.endsWith(".test.ts"),
);
/** Every place in this package where a process may die. */
const points = sources.flatMap((path) =>
  [...readFileSync(join(import.meta.dirname, path), "utf8").matchAll(/faultPoint\("([^"]+)"/g)].map(
    ([, name]) => name,
  ),
);

/** A template, two generations of which the first keeps a page of the second, and one that nobody needs. */
async function scene(dir: TrialStore) {
  using store = await dir.open();
  const memory = new TrialMemory().set(1, 1);
  const base = (await save(store, { origin: BOOTED, memory, disk: "base" })).id;
  const second = await save(store, {
    origin: { kind: "continued", parent: base, base },
    memory: memory.set(2, 2),
    disk: "second",
  });
  const garbage = (await save(store, { origin: BOOTED, memory })).id;
  return { base, second: second.id, garbage, memory: Buffer.from(memory.bytes) };
}

describe("a process that is killed", () => {
  for (const point of points) {
    it(`at ${point} leaves the old generation whole, the new one or none, and no litter`, async () => {
      using trial = new TrialStore();
      const { base, second, garbage, memory } = await scene(trial);
      const fault = join(trial.dir, "fault");
      writeFileSync(fault, `agent ${point}`);
      const child = spawnSync(
        process.execPath,
        [join(import.meta.dirname, "test-crash.ts"), trial.dir, base, second],
        {
          env: { ...process.env, [FAULT_FILE_VARIABLE]: fault },
        },
      );
      assert.equal(child.signal, "SIGKILL", child.stderr.toString());

      using store = await trial.open();
      assert.deepEqual(store.damaged, []);
      const names = await readdir(store.layout.root);
      assert.deepEqual(
        names.filter((name) => !/^[0-9a-f]{32}$/.test(name)),
        [],
      );
      const third = store.list().find(({ manifest }) => manifest.generation === 3);
      for (const { id } of store.list()) await store.verify(id);
      if (third) {
        const expected = new TrialMemory(Buffer.from(memory)).set(3, 3).bytes;
        assert.ok((await restored(store, third.id)).equals(expected));
      } else {
        assert.deepEqual(new Set(names), new Set([base, second, garbage]));
        assert.ok((await restored(store, second)).equals(memory));
      }
      // What is left to do is done, and only the roots stay.
      await store.collect(third ? [third.id] : [second]);
      const kept = third ? [base, second, third.id] : [base, second];
      assert.deepEqual(new Set(await readdir(store.layout.root)), new Set(kept));
      if (third) {
        assert.deepEqual(await readdir(store.layout.dir(second)), ["memory.bin", "remains.json"]);
        assert.ok(
          (await restored(store, third.id)).equals(new TrialMemory(Buffer.from(memory)).set(3, 3).bytes),
        );
      }
      assert.deepEqual(new Set(await store.collect([])).has(base), true);
      assert.deepEqual(await readdir(store.layout.root), []);
    });
  }

  it("has been killed at every step", () => {
    assert.ok(points.length >= 6, points.join());
  });
});

describe("a full disk", () => {
  it("is said so, leaves nothing of the new snapshot and everything of the old ones", async () => {
    using trial = new TrialStore();
    const mount = join(trial.dir, "snapshots");
    await mkdir(mount);
    await run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "wrenn-test", mount], { timeoutMs: 5000 });
    try {
      using store = await trial.open();
      const memory = new TrialMemory();
      for (let page = 0; page < 100; page++) memory.set(page, 1 + page);
      const { id } = await save(store, { origin: BOOTED, memory });
      const kept = Buffer.from(memory.bytes);
      for (let page = 0; page < 2000; page++) memory.set(page, 3);
      const origin = { kind: "continued", parent: id, base: id } as const;
      await assert.rejects(save(store, { origin, memory }), { code: "no_space" });
      assert.deepEqual(await readdir(mount), [id]);
      assert.ok((await restored(store, id)).equals(kept));

      // Also when the pages fit and only what comes after them does not.
      const small = new TrialMemory(kept).set(200, 1);
      {
        await using draft = await store.begin(origin);
        await fill(draft, small);
        await fillUp(join(mount, "filler"));
        await assert.rejects(draft.commit(FACTS), { code: "no_space" });
      }
      assert.deepEqual((await readdir(mount)).toSorted(), [id, "filler"].toSorted());
      await store.verify(id);
    } finally {
      await run(["umount", mount], { timeoutMs: 5000 });
    }
  });
});

/** Writes until nothing fits any more. */
async function fillUp(path: string): Promise<void> {
  await assert.rejects(writeFile(path, Buffer.alloc(8 * 1024 * 1024, 1)), { code: "ENOSPC" });
  assert.ok((await readFile(path)).length > 0);
}
