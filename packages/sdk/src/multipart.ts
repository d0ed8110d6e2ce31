// A file as a multipart form, with the path in front, without holding the whole of it in memory.

/** What can be uploaded. */
export type FileData = string | Uint8Array<ArrayBuffer> | Blob | AsyncIterable<Uint8Array>;

export interface FileForm {
  contentType: string;
  /** Content of known length is a Blob, else a stream that reads no further than the connection takes. */
  content: Blob | ReadableStream<Uint8Array>;
  /** What reading `data` failed with, once the request has failed for it. */
  sourceError(): unknown;
  /**
   * Ends the stream once the request is over. Node's fetch goes on reading a body that it no longer
   * sends, which for an endless source would never end.
   */
  release(): void;
}

/** The form for one file. */
export function fileForm(path: string, data: FileData): FileForm {
  const boundary = `wrenn-${crypto.randomUUID()}`;
  const head =
    `--${boundary}\r\ncontent-disposition: form-data; name="path"\r\n\r\n${path}\r\n` +
    `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="file"\r\n` +
    "content-type: application/octet-stream\r\n\r\n";
  const tail = `\r\n--${boundary}--\r\n`;
  const contentType = `multipart/form-data; boundary=${boundary}`;
  if (typeof data === "string" || data instanceof Uint8Array || data instanceof Blob) {
    const content = new Blob([head, data, tail]);
    return { contentType, content, sourceError: () => undefined, release() {} };
  }
  return { contentType, ...streamOf(surround(head, data, tail)) };
}

async function* surround(head: string, data: AsyncIterable<Uint8Array>, tail: string) {
  const encoder = new TextEncoder();
  yield encoder.encode(head);
  yield* data;
  yield encoder.encode(tail);
}

function streamOf(chunks: AsyncGenerator<Uint8Array>): Omit<FileForm, "contentType"> {
  let failure: unknown;
  const content = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next().catch((error: unknown) => {
          failure = error;
          throw error;
        });
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await chunks.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
  const release = () => {
    chunks.return(undefined).catch((error: unknown) => {
      failure ??= error;
    });
  };
  return { content, sourceError: () => failure, release };
}
