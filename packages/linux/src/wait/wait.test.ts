import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { EventFd } from "./event-fd.ts";
import { POLL, PollSet } from "./poll-set.ts";

describe("EventFd and PollSet", () => {
  it("wake a thread that blocks, which sees who did", async () => {
    using first = new EventFd();
    using second = new EventFd();
    const code = `
      import { parentPort, workerData } from "node:worker_threads";
      const { PollSet } = await import(workerData.module);
      const set = new PollSet(workerData.fds);
      parentPort.postMessage("waits");
      parentPort.postMessage([set.wait(-1), set.found(0), set.found(1)]);
    `;
    const module = new URL("./poll-set.ts", import.meta.url).href;
    const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
      workerData: { module, fds: [first.fd, second.fd] },
    });
    const said: unknown[] = [];
    await new Promise((resolve, reject) => {
      thread.on("error", reject).on("exit", resolve);
      thread.on("message", (message: unknown) => {
        said.push(message);
        if (message === "waits") second.signal();
      });
    });
    assert.deepEqual(said, ["waits", [1, 0, POLL.in]]);
  });

  it("give up when the time is up, and find the same again as long as it is so", () => {
    using event = new EventFd();
    const set = new PollSet([event.fd]);
    const began = performance.now();
    assert.equal(set.wait(20), 0);
    assert.ok(performance.now() - began >= 19);
    assert.equal(set.found(0), 0);
    event.signal();
    assert.deepEqual([set.wait(-1), set.wait(0), set.found(0)], [1, 1, POLL.in]);
    set.ignore(0);
    assert.deepEqual([set.found(0), set.wait(0), set.found(0)], [0, 0, 0]);
  });

  it("leave nothing open", () => {
    const before = readdirSync("/proc/self/fd").length;
    const event = new EventFd();
    event[Symbol.dispose]();
    event[Symbol.dispose]();
    event.signal();
    assert.equal(readdirSync("/proc/self/fd").length, before);
  });
});
