// Watching directories: by stream and by asking.
import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { EventType, type FilesystemEvent, FileType } from "@wrenn/rpc/envd";
import fc from "fast-check";
import { run, until } from "../testing/run-command.ts";
import { RunningEnvd } from "../testing/running-envd.ts";
import { failsWith } from "../testing/started.ts";

let envd: RunningEnvd;
let dir: string;
before(async () => {
  envd = await RunningEnvd.start();
});
after(() => envd[Symbol.asyncDispose]());
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "envd-watch-"));
});
afterEach(async () => {
  rmSync(dir, { recursive: true, force: true });
  await until("nothing is watched", () => watchedDirectories() === 0);
});

const TYPES = new Map<EventType, string>(Object.entries(EventType).map(([name, type]) => [type, name]));
const told = ({ name, type }: FilesystemEvent) => `${TYPES.get(type)} ${name}`;

/** A watch that is on. `next(n)` gives the next n events. */
async function watch(request: object = {}, leaving = new AbortController()) {
  const events = envd.filesystem
    .watchDir({ path: dir, ...request }, { signal: leaving.signal })
    [Symbol.asyncIterator]();
  assert.equal((await events.next()).value?.event.case, "start");
  const next = async (): Promise<FilesystemEvent> => {
    for (;;) {
      const event = (await events.next()).value?.event;
      if (event?.case === "filesystem") return event.value;
      assert.equal(event?.case, "keepalive");
    }
  };
  const take = async (count: number) => {
    const taken: string[] = [];
    while (taken.length < count) taken.push(told(await next()));
    return taken;
  };
  return { next, take, leave: () => leaving.abort(), events };
}

/** As the kernel knows them (proc(5), fdinfo). */
function watchedDirectories(): number {
  const texts = readdirSync(`/proc/${envd.pid}/fdinfo`).map((fd) => {
    try {
      return readFileSync(`/proc/${envd.pid}/fdinfo/${fd}`, "utf8");
    } catch {
      return ""; // Closed meanwhile.
    }
  });
  // The runtime has a descriptor of its own for the same instance.
  return new Set(texts.join("\n").match(/^inotify .*/gm)).size;
}

/** All events up to the creation of a file of that name. */
async function upTo(name: string, next: () => Promise<FilesystemEvent>): Promise<string[]> {
  const seen: string[] = [];
  for (;;) {
    const event = told(await next());
    if (event === `CREATE ${name}`) return seen;
    seen.push(event);
  }
}

describe("WatchDir", () => {
  test("tells what happens to the entries of a directory, and not below it", async () => {
    mkdirSync(`${dir}/sub`);
    const { next, take, leave } = await watch();
    writeFileSync(`${dir}/a`, "1");
    assert.deepEqual(await take(2), ["CREATE a", "WRITE a"]);
    chmodSync(`${dir}/a`, 0o600);
    assert.deepEqual(await take(1), ["CHMOD a"]);
    renameSync(`${dir}/a`, `${dir}/b`);
    assert.deepEqual(await take(2), ["RENAME a", "CREATE b"]);
    unlinkSync(`${dir}/b`);
    assert.deepEqual(await take(1), ["REMOVE b"]);
    mkdirSync(`${dir}/new`);
    writeFileSync(`${dir}/sub/below`, "");
    writeFileSync(`${dir}/new/below`, "");
    mkdirSync(`${dir}/end`);
    assert.deepEqual(await upTo("end", next), ["CREATE new"]);
    leave();
  });

  test("recursive: what is in a new directory before its watch is on is told too, once", async () => {
    const { next, leave } = await watch({ recursive: true });
    mkdirSync(`${dir}/a/b/c`, { recursive: true });
    writeFileSync(`${dir}/a/b/c/file`, "");
    mkdirSync(`${dir}/a/b/d`);
    mkdirSync(`${dir}/end`);
    const seen = await upTo("end", next);
    assert.deepEqual(
      seen.filter((event) => event.startsWith("CREATE")).sort(),
      ["CREATE a", "CREATE a/b", "CREATE a/b/c", "CREATE a/b/c/file", "CREATE a/b/d"].sort(),
    );
    leave();
  });

  test("recursive: directories are followed where they are moved, and left when they leave", async () => {
    const outside = mkdtempSync(join(tmpdir(), "envd-watch-"));
    try {
      mkdirSync(`${dir}/a/b`, { recursive: true });
      const { next, take, leave } = await watch({ recursive: true });
      renameSync(`${dir}/a`, `${dir}/z`);
      writeFileSync(`${dir}/z/b/f`, "");
      assert.deepEqual(await take(3), ["RENAME a", "CREATE z", "CREATE z/b/f"]);
      renameSync(`${dir}/z`, `${outside}/z`);
      assert.deepEqual(await take(1), ["RENAME z"]);
      await until("what left is not watched any more", () => watchedDirectories() === 1);
      writeFileSync(`${outside}/z/b/g`, "");
      renameSync(`${outside}/z`, `${dir}/back`);
      assert.deepEqual(await take(1), ["CREATE back"]);
      writeFileSync(`${dir}/back/b/h`, "");
      mkdirSync(`${dir}/end`);
      assert.deepEqual(await upTo("end", next), ["CREATE back/b/h"]);
      leave();
    } finally {
      rmSync(outside, { recursive: true });
    }
  });

  test("after any changes of a tree every directory in it is watched under its own name, and no other", async () => {
    const names = fc.constantFrom("a", "b", "c");
    const path = fc.array(names, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
    const step = fc.oneof(
      fc.record({ do: fc.constant("make" as const), path }),
      fc.record({ do: fc.constant("move" as const), path, to: path }),
      fc.record({ do: fc.constant("leave" as const), path }),
      fc.record({ do: fc.constant("return" as const), path }),
      fc.record({ do: fc.constant("remove" as const), path }),
    );
    const outside = mkdtempSync(join(tmpdir(), "envd-watch-"));
    const act = (one: { do: string; path: string; to?: string }) => {
      try {
        if (one.do === "make") mkdirSync(`${dir}/${one.path}`);
        else if (one.do === "leave") renameSync(`${dir}/${one.path}`, `${outside}/left`);
        else if (one.do === "return") renameSync(`${outside}/left`, `${dir}/${one.path}`);
        else if (one.do === "remove") rmdirSync(`${dir}/${one.path}`);
        else renameSync(`${dir}/${one.path}`, `${dir}/${one.to}`);
      } catch {
        // Not there, there already, or into itself: not a change.
      }
    };
    const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      for (const entry of readdirSync(dir)) rmSync(`${dir}/${entry}`, { recursive: true });
      const { next, leave } = await watch({ recursive: true });
      for (const one of steps) act(one);
      writeFileSync(`${dir}/quiet`, "");
      await upTo("quiet", next);
      const directories = readdirSync(dir, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1));
      for (const directory of directories) writeFileSync(`${dir}/${directory}/probe`, "");
      writeFileSync(`${dir}/end`, "");
      const probes = (await upTo("end", next)).filter((event) => /^CREATE .*\/probe$/.test(event));
      assert.deepEqual(probes.sort(), directories.map((directory) => `CREATE ${directory}/probe`).sort());
      await until("no other is watched", () => watchedDirectories() === directories.length + 1);
      leave();
      await until("nothing is watched", () => watchedDirectories() === 0);
    });
    await fc.assert(property, { numRuns: 60 });
    rmSync(outside, { recursive: true });
  });

  test("an upload is the creation or the writing of its target", async () => {
    const { next, leave } = await watch({ recursive: true });
    const upload = (name: string, body: string) =>
      envd.fetch(`/files?username=root&path=${dir}/${name}`, {
        method: "POST",
        headers: { "content-type": "application/octet-stream" },
        body,
      });
    assert.equal((await upload("sub/f", "one")).status, 200);
    assert.equal((await upload("f", "one")).status, 200);
    assert.equal((await upload("f", "two")).status, 200);
    mkdirSync(`${dir}/end`);
    const seen = await upTo("end", next);
    assert.deepEqual(
      seen.filter((event) => event.endsWith(" f")),
      ["CREATE f", "WRITE f", "WRITE f"],
    );
    assert.ok(seen.includes("CREATE sub/f"));
    assert.doesNotMatch(seen.join(), /wrenn/);
    leave();
  });

  test("with the entry when it is asked for", async () => {
    const { next, leave } = await watch({ includeEntry: true });
    writeFileSync(`${dir}/f`, "12345");
    unlinkSync(`${dir}/f`);
    writeFileSync(`${dir}/kept`, "12345");
    const entries = new Map<string, FilesystemEvent["entry"]>();
    while (!entries.has("WRITE kept")) {
      const event = await next();
      entries.set(told(event), event.entry);
    }
    const created = entries.get("CREATE kept");
    assert.deepEqual([created?.path, created?.type], [`${dir}/kept`, FileType.FILE]);
    // An entry is as it is when the event is told: at the first one nothing may have been written yet.
    assert.equal(entries.get("WRITE kept")?.size, 5n);
    assert.ok(entries.has("REMOVE f"));
    assert.equal(entries.get("REMOVE f"), undefined);
    leave();
  });

  test("the directory itself may be a link, and may go", async () => {
    mkdirSync(`${dir}/real`);
    symlinkSync("real", `${dir}/link`);
    const { take, leave } = await watch({ path: `${dir}/link` });
    writeFileSync(`${dir}/real/f`, "");
    assert.deepEqual(await take(1), ["CREATE f"]);
    rmSync(`${dir}/real`, { recursive: true });
    const seen = await take(2);
    assert.ok(seen.includes("REMOVE f"));
    leave();
  });

  test("keep-alives come as often as the client wishes", async () => {
    const headers = { "keepalive-ping-interval": "1" };
    const events = envd.filesystem.watchDir({ path: dir }, { headers })[Symbol.asyncIterator]();
    await events.next();
    assert.equal((await events.next()).value?.event.case, "keepalive");
    await events.return?.();
  });

  test("names what is wrong with the path", async () => {
    writeFileSync(`${dir}/file`, "");
    const from = (path: string) => watch({ path }).then(() => assert.fail("it is watched"));
    await assert.rejects(from(`${dir}/absent`), failsWith(Code.NotFound, "not_found", "path"));
    await assert.rejects(from(`${dir}/file`), failsWith(Code.InvalidArgument, "invalid_argument", "path"));
  });

  test("a stream that is left leaves no descriptor", async () => {
    await run(envd.process, ["true"]);
    const count = envd.openFiles;
    for (let i = 0; i < 20; i++) {
      const { leave, events } = await watch({ recursive: true });
      leave();
      await assert.rejects(events.next());
    }
    await until("all are closed", () => envd.openFiles <= count + 2);
  });
});

describe("watchers that are asked", () => {
  const { create, take } = {
    create: async (request = {}) =>
      (await envd.filesystem.createWatcher({ path: dir, ...request })).watcherId,
    take: async (watcherId: string) => (await envd.filesystem.getWatcherEvents({ watcherId })).events,
  };

  test("give each event once, with its entry if that was asked for", async () => {
    const id = await create({ recursive: true, includeEntry: true });
    assert.deepEqual(await take(id), []);
    mkdirSync(`${dir}/sub`);
    writeFileSync(`${dir}/sub/f`, "1");
    const seen: FilesystemEvent[] = [];
    await until("the file is told", async () => {
      seen.push(...(await take(id)));
      return seen.some(({ name }) => name === "sub/f");
    });
    assert.equal(told(seen[0] as FilesystemEvent), "CREATE sub");
    assert.equal(seen.find(({ name }) => name === "sub/f")?.entry?.path, `${dir}/sub/f`);
    assert.equal(seen.filter((event) => told(event) === "CREATE sub/f").length, 1);
    await envd.filesystem.removeWatcher({ watcherId: id });
    await assert.rejects(take(id), failsWith(Code.NotFound, "not_found"));
    await assert.rejects(
      envd.filesystem.removeWatcher({ watcherId: id }),
      failsWith(Code.NotFound, "not_found"),
    );
  });

  test("say once that events were lost, and go on", async () => {
    const id = await create();
    for (let i = 0; i < 6000; i++) writeFileSync(`${dir}/f${i}`, "");
    await assert.rejects(take(id), failsWith(Code.ResourceExhausted, "capacity"));
    await until("it is quiet", async () => (await take(id)).length === 0);
    mkdirSync(`${dir}/more`);
    await until("it goes on", async () => (await take(id)).some(({ name }) => name === "more"));
    await envd.filesystem.removeWatcher({ watcherId: id });
  });

  test("are bounded in number", async () => {
    const ids: string[] = [];
    await assert.rejects(
      async () => {
        for (let i = 0; i <= 64; i++) ids.push(await create());
      },
      failsWith(Code.ResourceExhausted, "capacity"),
    );
    assert.equal(ids.length, 64);
    for (const watcherId of ids) await envd.filesystem.removeWatcher({ watcherId });
  });
});
