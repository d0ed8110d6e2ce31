// The thread of a postcopy source; see SourceThread, which starts it.
import { Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import { openLazyPages } from "@wrenn/core";
import { pagesWithContent } from "./page-plan.ts";
import { PostcopySource } from "./source.ts";
import type { FromSource, SourceData, ToSource } from "./source-thread.ts";

const { fd, pages: ref, roms, memory, devices, push, counts } = workerData as SourceData;
const tell = (message: FromSource) => parentPort?.postMessage(message);

const channel = new Socket({ fd, readable: true, writable: true });
tell({ kind: "open" });
try {
  using pages = await openLazyPages(ref);
  Atomics.store(counts, 1, pagesWithContent(pages));
  const source = new PostcopySource({
    channel,
    pages,
    roms,
    memory,
    devices,
    onDevicesLoaded: () => tell({ kind: "devices-loaded" }),
    onProgress: (loaded) => Atomics.store(counts, 0, loaded),
  });
  let timer: NodeJS.Timeout | undefined;
  const pushWhenQuiet = (settledAt: number) => {
    const at = Math.min(source.askedAt + push.quietMs, settledAt + push.byMs);
    const ms = at - performance.now();
    if (ms <= 0) source.push();
    else timer = setTimeout(pushWhenQuiet, ms, settledAt);
  };
  parentPort?.on("message", (message: ToSource) => {
    if (message.kind === "stop") channel.destroy();
    else {
      tell({ kind: "touched", ranges: [...source.touched] });
      timer ??= setTimeout(pushWhenQuiet, push.afterMs, performance.now());
    }
  });
  try {
    await source.run();
    tell({ kind: "complete" });
  } finally {
    clearTimeout(timer);
  }
} catch (reason) {
  tell({ kind: "failed", message: reason instanceof Error ? reason.message : String(reason) });
} finally {
  channel.destroy();
  parentPort?.close();
}
