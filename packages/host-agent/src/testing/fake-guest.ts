// A guest agent on this machine's loopback that confirms what a test lets it confirm.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import type { GuestIdentity, GuestInit } from "../guest/client.ts";

/** One init, as it came over the wire. */
export interface Told {
  /** The token that it came with. */
  token: unknown;
  init: Partial<GuestInit> & { timestamp: string };
}

/** What the guest answers: a status and a body, sent as JSON unless it is text. */
export type Answer = { status: number; body: unknown } | "nothing";

export class FakeGuest implements AsyncDisposable {
  readonly told: Told[] = [];
  /** By default everything is confirmed. */
  answer: (told: Told, count: number) => Answer = ({ init }) => confirming(init);
  readonly #server = createServer((request, response) => void this.#handle(request, response));

  /** Listens; on a port of its own unless one is asked for. Returns the port. */
  async listen({ host = "127.0.0.1", port = 0 } = {}): Promise<number> {
    this.#server.listen(port, host);
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url !== "/init") {
      request.resume();
      response.writeHead(204).end();
      return;
    }
    const told = {
      token: request.headers["x-access-token"],
      init: (await json(request)) as Told["init"],
    };
    const answer = this.answer(told, this.told.push(told));
    if (answer === "nothing") return;
    const { status, body } = answer;
    response.writeHead(status).end(typeof body === "string" ? body : JSON.stringify(body));
  }
}

/** The answer of a guest that has become all that it was told, but for what is given. */
export function confirming(init: Told["init"], but: Partial<GuestIdentity> = {}): Answer {
  const { hostname, machineId, entropy } = init;
  const body = { hostname, machineId, timeMs: Date.now(), reseeded: entropy !== undefined, ...but };
  return { status: 200, body };
}
