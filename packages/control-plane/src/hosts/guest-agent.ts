// The agent in a guest, spoken to directly: what the host agent's own RPCs have no word for.
import * as http from "node:http";
import type { Duplex } from "node:stream";
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { Process } from "@wrenn/rpc/envd";
import type { HostClient } from "./host-client.ts";
import { type GuestPort, openTunnel } from "./tunnel.ts";

/** TCP port of the agent, whose own token guards it. */
export const AGENT_PORT = 49_983;

export class GuestAgent {
  readonly process: Client<typeof Process>;
  readonly #agent: http.Agent;
  readonly #token: string;

  /** `token`: the agent's access token. */
  constructor(host: HostClient, { token, ...guest }: Omit<GuestPort, "port"> & { token: string }) {
    this.#token = token;
    this.#agent = new OneGuest(host, { ...guest, port: AGENT_PORT });
    const authorise: Interceptor = (next) => (call) => {
      call.header.set("x-access-token", token);
      return next(call);
    };
    const transport = createConnectTransport({
      httpVersion: "1.1",
      baseUrl: "http://guest",
      acceptCompression: [],
      nodeOptions: { agent: this.#agent },
      interceptors: [authorise],
    });
    this.process = createClient(Process, transport);
  }

  /**
   * Tells the agent with which variables programs run, and who runs them where when a caller does not say. It writes that
   * down for boots to come. Throws when it does not take it.
   */
  async setDefaults(defaults: {
    envVars: Readonly<Record<string, string>>;
    defaultUser: string;
    defaultWorkdir: string;
  }): Promise<void> {
    const body = JSON.stringify({ ...defaults, keepDefaults: true });
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      "x-access-token": this.#token,
    };
    const options = { agent: this.#agent, host: "guest", method: "POST", path: "/init", headers };
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    http.request(options).once("response", resolve).once("error", reject).end(body);
    const answer = await promise;
    answer.resume();
    if (answer.statusCode !== 200) throw new Error(`the agent answered ${answer.statusCode}`);
  }

  /** Drops every connection. */
  close(): void {
    this.#agent.destroy();
  }
}

/** Whatever is asked for leads to the one guest. */
class OneGuest extends http.Agent {
  readonly #host: HostClient;
  readonly #guest: GuestPort;

  constructor(host: HostClient, guest: GuestPort) {
    super({ keepAlive: true });
    this.#host = host;
    this.#guest = guest;
  }

  override createConnection(
    _options: http.ClientRequestArgs,
    connected?: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    openTunnel(this.#host, this.#guest).then(
      (socket) => connected?.(null, socket),
      // The type wants a socket in this case, too; Node does not look at it.
      (reason: unknown) => connected?.(reason as Error, undefined as never),
    );
  }
}
