// A service for tests: real HTTP and WebSockets on loopback, with answers that the test writes.
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { WrennClient, type WrennClientOptions } from "./client.ts";

export interface TestService extends AsyncDisposable {
  url: string;
  /** Requests that came, in order. */
  requests: IncomingMessage[];
  client(options?: Partial<WrennClientOptions>): WrennClient;
}

export interface TestHandlers {
  http?: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;
  stream?: (socket: WebSocket, request: IncomingMessage) => void;
  /** Answers an upgrade with this error instead of a WebSocket. */
  refuse?: { status: number; body: string };
}

export async function testService({ http, stream, refuse }: TestHandlers): Promise<TestService> {
  const requests: IncomingMessage[] = [];
  const sockets = new WebSocketServer({ noServer: true });
  const server = createServer((request, response) => {
    requests.push(request);
    void http?.(request, response);
  });
  server.on("upgrade", (request, socket, head) => {
    requests.push(request);
    if (refuse) {
      socket.end(
        `HTTP/1.1 ${refuse.status} No\r\ncontent-type: application/json\r\nx-request-id: r-1\r\n` +
          `content-length: ${Buffer.byteLength(refuse.body)}\r\nconnection: close\r\n\r\n${refuse.body}`,
      );
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => stream?.(webSocket, request));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    requests,
    client: (options) => new WrennClient({ url, apiKey: "wrn_test", ...options }),
    [Symbol.asyncDispose]: () => close(server, sockets),
  };
}

/** The whole body of a request. */
export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export function answer(response: ServerResponse, status: number, body?: unknown, headers = {}): void {
  response.writeHead(status, { "content-type": "application/json", "x-request-id": "r-1", ...headers });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

async function close(server: Server, sockets: WebSocketServer): Promise<void> {
  for (const socket of sockets.clients) socket.terminate();
  server.close();
  server.closeAllConnections();
  await once(server, "close");
}
