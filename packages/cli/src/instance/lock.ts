// One at a time among the processes of this machine, without leaving anything behind.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, connect as openSocket, type Server, type Socket } from "node:net";

/**
 * Runs `work` while holding the lock called `name`. The lock is a listening socket in Linux's abstract
 * namespace (unix(7)): the kernel takes it back when its holder dies, however that happens, and whoever
 * waits is told by the end of a connection to it.
 */
export async function withLock<T>(name: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const address = `\0wrenn-${createHash("sha256").update(name).digest("hex").slice(0, 32)}`;
  const waiting = new Set<Socket>();
  const server = await hold(address, waiting, signal);
  try {
    return await work();
  } finally {
    server.close();
    for (const socket of waiting) socket.destroy();
    await once(server, "close");
  }
}

async function hold(address: string, waiting: Set<Socket>, signal: AbortSignal | undefined): Promise<Server> {
  for (;;) {
    signal?.throwIfAborted();
    const server = createServer((socket) => {
      waiting.add(socket.on("error", () => socket.destroy()));
    });
    try {
      server.listen(address);
      await once(server, "listening");
      return server;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    }
    await gone(address, signal);
  }
}

/** Waits until the holder lets go. */
async function gone(address: string, signal: AbortSignal | undefined): Promise<void> {
  const socket = openSocket(address);
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on("error", () => resolve()); // it let go before we reached it
  socket.on("close", () => resolve());
  signal?.addEventListener("abort", () => resolve(), { once: true });
  socket.resume();
  await promise;
  socket.destroy();
}
