import assert from "node:assert/strict";
import { once } from "node:events";
import {
  createServer as createHttpServer,
  type IncomingMessage,
  request,
  type ServerResponse,
} from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, connect } from "node:net";
import type { Readable } from "node:stream";
import { describe, it } from "node:test";
import { WrennError } from "@wrenn/core";
import { pino } from "pino";
import type { SandboxManager } from "../sandbox/manager.ts";
import { rawRoutes } from "./raw.ts";

describe("rawRoutes()", () => {
  const route = rawRoutes({} as SandboxManager, pino({ enabled: false }));

  for (const url of [
    "/",
    "//",
    "//a:b",
    "*",
    "http://[",
    "/%",
    "/raw/v1/sandboxes//files",
    "/raw/v1/sandboxes/a/b/files",
  ]) {
    it(`leaves ${url} to others`, () => {
      assert.equal(route({ url } as IncomingMessage, {} as ServerResponse), false);
    });
  }

  for (const [version, upload] of [
    ["HTTP/1.1", uploadOverOne],
    ["HTTP/2", uploadOverTwo],
  ] as const) {
    it(`gives an upload up that breaks off, before its content seems to have ended: ${version}`, async () => {
      const seen = Promise.withResolvers<{ signal: AbortSignal; how: string }>();
      const arrived = Promise.withResolvers<void>();
      const guest = {
        writeFile: (_: string, content: Readable, { signal }: { signal: AbortSignal }) => {
          content.once("data", () => arrived.resolve());
          const { promise, reject } = Promise.withResolvers<void>();
          const over = (how: string) => {
            seen.resolve({ signal, how: signal.aborted ? "given up" : how });
            reject(new WrennError("guest_unreachable", how));
          };
          content.once("end", () => over("ended")).once("error", () => over("failed"));
          return promise;
        },
      };
      const use = (_: string, act: (...given: unknown[]) => unknown) =>
        act(guest, new AbortController().signal);
      const raw = rawRoutes({ use } as unknown as SandboxManager, pino({ enabled: false }));
      await using _ = await upload(raw, arrived.promise);
      const { how, signal } = await seen.promise;
      assert.notEqual(how, "ended");
      if (!signal.aborted) await once(signal, "abort");
      assert.equal((signal.reason as WrennError).code, "invalid_argument");
    });
  }
});

const PATH = "/raw/v1/sandboxes/s/files?path=/x";

type Handler = ReturnType<typeof rawRoutes>;

/** Sends the beginning of a file, and breaks off when it has arrived. */
async function uploadOverOne(raw: Handler, arrived: Promise<void>): Promise<AsyncDisposable> {
  const server = createHttpServer((request, response) => void raw(request, response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const sent = request({ host: "127.0.0.1", port, method: "PUT", path: PATH });
  sent.on("error", () => {});
  sent.write("half");
  await arrived;
  sent.destroy();
  return { [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) };
}

async function uploadOverTwo(raw: Handler, arrived: Promise<void>): Promise<AsyncDisposable> {
  const server = createHttp2Server((request, response) => {
    raw(request as unknown as IncomingMessage, response as unknown as ServerResponse);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  // In frames: the runtime's own client ends a stream before it resets it.
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const head = Object.entries({ ":method": "PUT", ":scheme": "http", ":authority": "h", ":path": PATH });
  socket.write(frame(4, 0, { stream: 0, payload: "" }));
  socket.write(frame(1, 4, { stream: 1, payload: head.map(literal).join("") }));
  socket.write(frame(0, 0, { stream: 1, payload: "half" }));
  await arrived;
  // NO_ERROR: the runtime ends the request before it says that the stream has closed.
  socket.write(frame(3, 0, { stream: 1, payload: "\0\0\0\0" }));
  return {
    async [Symbol.asyncDispose]() {
      socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** RFC 9113, 4.1. */
function frame(
  type: number,
  flags: number,
  { stream, payload }: { stream: number; payload: string },
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, Buffer.from(payload, "latin1")]);
}

/** RFC 7541, 6.2.2: a field that is not indexed, in plain text of less than 127 bytes. */
function literal([name, value]: [string, string]): string {
  return `\0${String.fromCharCode(name.length)}${name}${String.fromCharCode(value.length)}${value}`;
}
