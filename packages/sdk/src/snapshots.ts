// Snapshots: the disk and memory of a sandbox under a name, to make more sandboxes from.
import type { CreateSnapshotRequest, Template } from "@wrenn/api";
import { type ListOptions, pages } from "./pages.ts";
import type { CallOptions, Transport, WriteOptions } from "./transport.ts";

export interface CreateSnapshotOptions extends WriteOptions {
  /** Replace a snapshot of the same name. Default false: the name must be free. */
  overwrite?: boolean;
}

export class Snapshots {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Takes a snapshot of a running or paused sandbox. More sandboxes can be made from it, and sandboxes of the same
   * size be rolled back to it.
   *
   *     await client.snapshots.create({ sandbox_id: id, name: "warm" });
   *     const copy = await client.sandboxes.create({ template: "warm" });
   */
  create(
    request: CreateSnapshotRequest,
    { overwrite, ...options }: CreateSnapshotOptions = {},
  ): Promise<Template> {
    return this.#transport.json({
      method: "POST",
      path: "/v1/snapshots",
      query: { overwrite },
      json: request,
      ...options,
    });
  }

  /** Everything a sandbox can be made from, newest first: base templates, snapshots, or both. */
  list(
    filter: { type?: "base" | "snapshot" } = {},
    options: ListOptions = {},
  ): AsyncGenerator<Template, void, undefined> {
    return pages(this.#transport, "/v1/snapshots", filter, options);
  }

  /** Deletes a snapshot or template. Sandboxes made from it live on. */
  delete(name: string, options: CallOptions = {}): Promise<void> {
    const path = `/v1/snapshots/${encodeURIComponent(name)}`;
    return this.#transport.empty({ method: "DELETE", path, ...options });
  }
}
