// Requests to ports of guests: Node's HTTP client over connections that the hosts make.
import * as http from "node:http";
import type { Duplex } from "node:stream";
import type { HostClient } from "./host-client.ts";
import { type GuestPort, openTunnel } from "./tunnel.ts";

/** An idle connection counts as activity of its sandbox, so it is not kept for long. */
const IDLE_MS = 1_000;

export interface GuestRequest extends GuestPort {
  host: HostClient;
  method: string;
  /** Path and query. */
  target: string;
  /** Name and value in turn. */
  headers: readonly string[];
  /** Whether the connection may carry another request of the same sandbox's agent afterwards. */
  reuse: boolean;
}

type Options = http.ClientRequestArgs & { guest?: GuestRequest };
type Connected = (error: Error | null, socket: Duplex) => void;

/** Connections by sandbox and port; each ends with the run of the sandbox that it was made in. */
class TunnelAgent extends http.Agent {
  override getName({ guest }: Options = {}): string {
    return guest ? `${guest.sandboxId}:${guest.port}` : "";
  }

  override createConnection(options: Options, connected?: Connected): undefined {
    const { guest } = options;
    if (!guest) throw new Error("a request to a guest names its guest");
    openTunnel(guest.host, guest).then(
      (socket) => connected?.(null, socket),
      // The type wants a socket in this case, too; Node does not look at it.
      (reason: unknown) => connected?.(reason as Error, undefined as never),
    );
  }
}

export class GuestTransport {
  readonly #kept = new TunnelAgent({ keepAlive: true, timeout: IDLE_MS });
  readonly #once = new TunnelAgent({ keepAlive: false });

  /** Begins a request; its failure to connect is the host's WrennError. Headers are sent as they are. */
  request(guest: GuestRequest): http.ClientRequest {
    const options: Options = {
      agent: guest.reuse ? this.#kept : this.#once,
      method: guest.method,
      path: guest.target,
      headers: guest.headers,
      guest,
    };
    return http.request(options);
  }

  close(): void {
    this.#kept.destroy();
    this.#once.destroy();
  }
}
