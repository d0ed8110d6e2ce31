// What is measured: one sandbox, through the API and directly.

import { Agent, request } from "node:http";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { Process } from "@wrenn/rpc/envd";

export interface Target {
  url: string;
  key: string;
  sandboxId: string;
  hostIp: string;
}

const ENVD_PORT = 49983;

/** The guest agent of a sandbox, spoken to as the host agent speaks to it: same protocol, same codec, kept-alive connections. */
export class GuestTarget {
  readonly #host: string;
  readonly #token: string;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #process;

  constructor(options: { host: string; token: string }) {
    this.#host = options.host;
    this.#token = options.token;
    this.#process = createClient(
      Process,
      createConnectTransport({
        httpVersion: "1.1",
        baseUrl: `http://${options.host}:${ENVD_PORT}`,
        useBinaryFormat: true,
        acceptCompression: [],
        nodeOptions: { agent: this.#agent },
      }),
    );
  }

  /** Runs a command to its end; returns 0, or throws when it did not succeed. */
  async exec(cmd: string): Promise<number> {
    const headers = { "x-access-token": this.#token };
    for await (const { event } of this.#process.start({ process: { cmd }, stdin: false }, { headers })) {
      if (event?.event.case === "end" && event.event.value.exitCode !== 0)
        throw new Error(`${cmd} failed in the guest`);
    }
    return 0;
  }

  async writeFile(path: string, content: Readable, length: number): Promise<void> {
    const call = this.#request("POST", path, {
      "content-type": "application/octet-stream",
      "content-length": length,
    });
    const answered = new Promise<number>((resolve, reject) => {
      call.once("response", (response) => {
        response.resume();
        response.once("end", () => resolve(response.statusCode ?? 0));
      });
      call.once("error", reject);
    });
    await pipeline(content, call);
    const status = await answered;
    if (status !== 200) throw new Error(`direct write answered ${status}`);
  }

  /** Reads a file and counts its bytes. */
  async readFile(path: string): Promise<number> {
    const call = this.#request("GET", path, {});
    const body = new PassThrough();
    call.once("response", (response) => response.pipe(body)).once("error", (reason) => body.destroy(reason));
    call.end();
    let size = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) size += chunk.length;
    return size;
  }

  close(): void {
    this.#agent.destroy();
  }

  #request(method: string, path: string, headers: Record<string, string | number>) {
    return request({
      agent: this.#agent,
      host: this.#host,
      port: ENVD_PORT,
      method,
      path: `/files?${new URLSearchParams({ path })}`,
      headers: { ...headers, "x-access-token": this.#token },
    });
  }
}

/** `bytes` bytes of the same 64 KiB block, made as they are asked for. */
export function bytesSource(bytes: number): Readable {
  const block = Buffer.alloc(64 * 1024, "wrenn ");
  let left = bytes;
  return new Readable({
    highWaterMark: 256 * 1024,
    read() {
      if (left === 0) return void this.push(null);
      const size = Math.min(left, block.length);
      left -= size;
      this.push(block.subarray(0, size));
    },
  });
}
