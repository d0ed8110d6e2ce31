// The fake host's tunnels: ports of its "guests" are ports of this machine's loopback.
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import type { FakeSandbox } from "./fake-sandboxes.ts";

export class FakeTunnels {
  /** Local port by guest port. */
  readonly ports = new Map<number, number>();
  opened = 0;
  readonly #sandboxes: ReadonlyMap<string, FakeSandbox>;
  readonly #open = new Set<Duplex>();

  constructor(sandboxes: ReadonlyMap<string, FakeSandbox>) {
    this.#sandboxes = sandboxes;
  }

  accept(request: IncomingMessage, socket: Duplex): void {
    socket.on("error", () => socket.destroy());
    const [, id = "", port] = /^\/raw\/v1\/sandboxes\/([^/]+)\/ports\/(\d+)$/.exec(request.url ?? "") ?? [];
    const sandbox = this.#sandboxes.get(id);
    const local = this.ports.get(Number(port));
    if (!sandbox) refuse(socket, 404, "not_found");
    else if (sandbox.status !== "running") refuse(socket, 409, "invalid_state");
    else if (local === undefined) refuse(socket, 502, "guest_unreachable");
    else this.#connect(socket, local);
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#open.size;
  }

  /** What a sandbox's end does to its connections. */
  breakAll(): void {
    for (const socket of this.#open) socket.destroy();
  }

  #connect(socket: Duplex, local: number): void {
    const guest = connect({ port: local, host: "127.0.0.1", allowHalfOpen: true });
    guest.on("error", () => socket.destroy());
    guest.once("connect", () => {
      this.opened++;
      this.#open.add(socket);
      socket.once("close", () => {
        this.#open.delete(socket);
        guest.destroy();
      });
      socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: wrenn-tcp\r\n\r\n");
      socket.pipe(guest);
      guest.pipe(socket);
    });
  }
}

function refuse(socket: Duplex, status: number, code: string): void {
  const body = JSON.stringify({ code, message: `the host says ${code}` });
  socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`);
}
