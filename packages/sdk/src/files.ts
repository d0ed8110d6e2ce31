// Files in and out of a sandbox, of any size.
import { type FileData, fileForm } from "./multipart.ts";
import { type CallOptions, connectionError, type Transport } from "./transport.ts";

export class Files {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Writes a file. The old one is replaced at once and as a whole, or not at all. Streams (any async
   * iterable of bytes) are read as fast as the sandbox takes them; browsers send only data that is
   * there as a whole (text, bytes, `Blob`).
   *
   *     await client.files.write(id, "/home/user/a.txt", "hello");
   *     await client.files.write(id, "/home/user/big", createReadStream("big"));
   */
  async write(id: string, path: string, data: FileData, options: CallOptions = {}): Promise<void> {
    const form = fileForm(path, data);
    try {
      const request = { method: "POST", path: pathOf(id, "write"), body: form, ...options } as const;
      await this.#transport.empty(request);
    } catch (error) {
      throw form.sourceError() ?? error;
    } finally {
      form.release();
    }
  }

  /** The content of a file. For large ones, use {@link readStream}. */
  async read(id: string, path: string, options: CallOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const stream = await this.readStream(id, path, options);
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /**
   * The content of a file as it comes. A transfer that breaks off is an error of the stream, never
   * an early end.
   *
   *     await pipeline(await client.files.readStream(id, "/var/log/dpkg.log"), createWriteStream("dpkg.log"));
   */
  async readStream(
    id: string,
    path: string,
    options: CallOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const request = { method: "POST", path: pathOf(id, "read"), json: { path }, ...options } as const;
    const { body } = await this.#transport.request(request);
    if (body === null) return new Response("").body as ReadableStream<Uint8Array<ArrayBuffer>>;
    return explained(body, `reading ${path} of ${id} failed`, options.signal);
  }
}

function pathOf(id: string, action: "read" | "write"): string {
  return `/v1/sandboxes/${encodeURIComponent(id)}/files/stream/${action}`;
}

/** The same stream, but its errors say what broke. */
function explained(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  what: string,
  signal: AbortSignal | undefined,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await reader.read().catch((cause: unknown) => {
          throw connectionError(what, cause, signal);
        });
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
