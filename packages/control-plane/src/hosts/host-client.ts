// One host agent, as the services call it.
import { type CallOptions, type Client, createClient } from "@connectrpc/connect";
import { REQUEST_ID_HEADER } from "@wrenn/api";
import { HostAgentService } from "@wrenn/rpc/hostagent";
import type { Endpoint } from "./endpoint.ts";
import { fromRpc } from "./errors.ts";

export type HostRpc = Client<typeof HostAgentService>;

export interface CallContext {
  /** What is being done, for the error message: `starting sandbox sb-…`. */
  attempted: string;
  requestId: string;
  /** Deadline of the whole call. */
  timeoutMs: number;
}

/** Told how long each call took. */
export type CallObserver = (method: string, seconds: number, outcome: string) => void;

export class HostClient {
  readonly endpoint: Endpoint;
  readonly rpc: HostRpc;
  readonly #observe: CallObserver;

  constructor(endpoint: Endpoint, observe: CallObserver) {
    this.endpoint = endpoint;
    this.rpc = createClient(HostAgentService, endpoint.transport);
    this.#observe = observe;
  }

  /**
   * Calls one unary method under a deadline. Throws a WrennError. It takes no caller's signal: what was
   * asked of a host is finished, or cleaned up, also when the client has hung up.
   */
  async call<M extends UnaryMethod>(
    method: M,
    message: Parameters<HostRpc[M]>[0],
    context: CallContext,
  ): Promise<UnaryAnswer<M>> {
    const started = performance.now();
    const options = { headers: { [REQUEST_ID_HEADER]: context.requestId }, timeoutMs: context.timeoutMs };
    try {
      const send = this.rpc[method] as (message: unknown, options: CallOptions) => Promise<UnaryAnswer<M>>;
      const answer = await send(message, options);
      this.#observe(method, (performance.now() - started) / 1000, "ok");
      return answer;
    } catch (reason) {
      const error = fromRpc(reason, context.attempted);
      this.#observe(method, (performance.now() - started) / 1000, error.code);
      throw error;
    }
  }

  close(): void {
    this.endpoint.close();
  }
}

/** Methods with one request and one answer. */
export type UnaryMethod = {
  // biome-ignore lint/suspicious/noExplicitAny: only the shape of the result is asked for.
  [M in keyof HostRpc]: HostRpc[M] extends (...args: any[]) => Promise<unknown> ? M : never;
}[keyof HostRpc];

export type UnaryAnswer<M extends UnaryMethod> = Awaited<ReturnType<HostRpc[M]>>;
