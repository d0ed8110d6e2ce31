// API keys of the caller.
import type { ApiKey, CreateApiKeyRequest, NewApiKey } from "@wrenn/api";
import { type ListOptions, pages } from "./pages.ts";
import type { CallOptions, Transport } from "./transport.ts";

export class Keys {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Makes a key. Its secret is in this answer and cannot be had again. */
  create(request: CreateApiKeyRequest, options: CallOptions = {}): Promise<NewApiKey> {
    return this.#transport.json({ method: "POST", path: "/v1/keys", json: request, ...options });
  }

  /** Your keys, newest first, revoked ones included. */
  list(options: ListOptions = {}): AsyncGenerator<ApiKey, void, undefined> {
    return pages(this.#transport, "/v1/keys", {}, options);
  }

  /** Makes a key stop working. May be repeated. */
  revoke(id: string, options: CallOptions = {}): Promise<void> {
    return this.#transport.empty({
      method: "DELETE",
      path: `/v1/keys/${encodeURIComponent(id)}`,
      ...options,
    });
  }
}
