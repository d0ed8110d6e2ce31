// A way to a PostgreSQL server that can be cut, and on which an answer can get lost.
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where clients look for it in the directory that an URL names. */
const SOCKET = ".s.PGSQL.5432";

export class Relay implements AsyncDisposable {
  /** The same database over this way. */
  readonly url: string;
  /** The answer to the next statement that has this in it is lost, after it has been carried out. */
  lose: string | undefined;
  readonly #dir: string;
  readonly #target: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(url: URL, dir: string) {
    this.#target = join(url.searchParams.get("host") ?? "", SOCKET);
    url.searchParams.set("host", dir);
    this.url = url.href;
    this.#dir = dir;
    this.#server = createServer((client) => this.#join(client));
  }

  static async start(databaseUrl: string): Promise<Relay> {
    const relay = new Relay(new URL(databaseUrl), await mkdtemp(join(tmpdir(), "wrenn-relay-")));
    await relay.mend();
    return relay;
  }

  /** Every connection breaks, and nobody listens. */
  async cut(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, "close");
  }

  /** Listens, if nobody does. */
  async mend(): Promise<void> {
    if (this.#server.listening) return;
    this.#server.listen(join(this.#dir, SOCKET));
    await once(this.#server, "listening");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.cut();
    await rm(this.#dir, { recursive: true, force: true });
  }

  #join(client: Socket): void {
    const server = createConnection(this.#target);
    let losing = false;
    client.on("data", (chunk: Buffer) => {
      if (this.lose !== undefined && chunk.includes(this.lose)) {
        losing = true;
        this.lose = undefined;
      }
      server.write(chunk);
    });
    server.on("data", (chunk: Buffer) => {
      // The server says nothing to a statement before it has committed it.
      if (losing) client.destroy();
      else client.write(chunk);
    });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }
}
