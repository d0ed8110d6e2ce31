// Routes of files.
import type { ReadFileRequest } from "@wrenn/api";
import { LIMITS } from "@wrenn/core";
import { relayed } from "@wrenn/rpc/bulk";
import { assertPathBytes } from "../files/guest-path.ts";
import { receiveUpload } from "../files/receive-upload.ts";
import { openRawDownload, RawUpload } from "../hosts/raw-files.ts";
import { type Call, handler } from "../http/handler.ts";
import type { Services } from "../services/services.ts";

export function fileHandlers({ hosts, activity, stallMs }: Services) {
  const write = (limits: { pathFirst: boolean; maxBytes: number }) =>
    handler(async ({ caller: { requestId }, sandbox, request }) => {
      const { client } = hosts.get(sandbox.host_id);
      activity.note(sandbox.id);
      // A sender that stands still is cut off; what it had sent goes.
      request.raw.setTimeout(stallMs, () => request.raw.destroy());
      await receiveUpload(request.raw, {
        ...limits,
        open: (path) => new RawUpload(client, { sandboxId: sandbox.id, path, requestId }),
      });
      request.raw.setTimeout(0);
      activity.note(sandbox.id);
      return {};
    });
  const read = ({ chunked }: { chunked: boolean }) =>
    handler<ReadFileRequest>(
      async ({ caller: { requestId }, sandbox, body: { path }, reply }: Call<ReadFileRequest>) => {
        assertPathBytes(path);
        const { client } = hosts.get(sandbox.host_id);
        activity.note(sandbox.id);
        const content = await openRawDownload(client, { sandboxId: sandbox.id, path, requestId });
        const length = content.headers["content-length"];
        if (!chunked && length !== undefined) reply.header("content-length", length);
        reply.raw.setTimeout(stallMs, () => reply.raw.destroy());
        reply.raw.once("pipe", relayed);
        // A failure behind the first byte breaks the connection off; a client that leaves ends the transfer.
        await reply.type("application/octet-stream").send(content);
        activity.note(sandbox.id);
        return undefined;
      },
    );
  return {
    writeFile: write({ pathFirst: false, maxBytes: LIMITS.filesWriteBytes }),
    streamWriteFile: write({ pathFirst: true, maxBytes: Number.POSITIVE_INFINITY }),
    readFile: read({ chunked: false }),
    streamReadFile: read({ chunked: true }),
  };
}
