// The client: one service, one key.
import type { Health, Storage } from "@wrenn/api";
import { Files } from "./files.ts";
import { Keys } from "./keys.ts";
import { Sandboxes } from "./sandboxes.ts";
import { Snapshots } from "./snapshots.ts";
import { Templates } from "./templates.ts";
import { type CallOptions, Transport } from "./transport.ts";

export interface WrennClientOptions {
  /** Where the service is, such as `http://127.0.0.1:8000`. */
  url: string;
  /** The secret of an API key. Only `health()` works without. */
  apiKey?: string | undefined;
  /** Used for requests (not for streams). Default: the runtime's own. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Makes the id under which the service logs a request. Default: random UUIDs. */
  requestId?: (() => string) | undefined;
  /**
   * How often a failed call is repeated, if that is safe: reads and deletions, and calls with an
   * idempotency key, after a broken connection or a 503. Default 2.
   */
  retries?: number | undefined;
}

/**
 * A client of the Wrenn Sandbox API. Holds no connection: there is nothing to close.
 *
 *     const client = new WrennClient({ url: "http://127.0.0.1:8000", apiKey });
 *     const { id } = await client.sandboxes.create();
 *     const { stdout } = await client.sandboxes.exec(id, { cmd: "python3", args: ["-c", "print(6*7)"] });
 *     await client.sandboxes.delete(id);
 */
export class WrennClient {
  readonly sandboxes: Sandboxes;
  readonly files: Files;
  readonly templates: Templates;
  readonly snapshots: Snapshots;
  readonly keys: Keys;
  readonly #transport: Transport;

  constructor(options: WrennClientOptions) {
    this.#transport = new Transport(options);
    this.sandboxes = new Sandboxes(this.#transport);
    this.files = new Files(this.#transport);
    this.templates = new Templates(this.#transport);
    this.snapshots = new Snapshots(this.#transport);
    this.keys = new Keys(this.#transport);
  }

  /** Whether the service can do its work. Throws when it cannot. */
  health(options: CallOptions = {}): Promise<Health> {
    return this.#transport.json({ method: "GET", path: "/health", ...options });
  }

  /** What the hosts keep on disk, and what needs it. For the operator's keys. */
  storage(options: CallOptions = {}): Promise<Storage> {
    return this.#transport.json({ method: "GET", path: "/v1/storage", ...options });
  }
}
