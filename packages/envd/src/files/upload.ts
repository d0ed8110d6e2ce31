// POST /files: file contents from a request's body.
import { WrennError } from "@wrenn/core";
import { bodyChunks } from "./body-chunks.ts";
import { readMetadata } from "./metadata.ts";
import { receiveMultipart } from "./multipart.ts";
import { StagedFile, type WrittenFile } from "./staged-file.ts";

export interface UploadOptions {
  request: Request;
  /** The `path` of the query, as given. */
  path: string | undefined;
  /** Absolute path for a path as given. */
  resolve: (path: string) => string;
  owner: { uid: number; gid: number };
}

/**
 * Writes `application/octet-stream` to `path`, or the parts named `file` of `multipart/form-data` to `path` or
 * to the names they carry. All files are put in place after the whole body has arrived; when anything fails
 * before that, none is. Each gets the metadata of the request.
 */
export async function receiveUpload({
  request,
  path,
  resolve,
  owner,
}: UploadOptions): Promise<WrittenFile[]> {
  const metadata = readMetadata(request.headers);
  const chunks = bodyChunks(request);
  const staged = new Map<string, StagedFile>();
  const stage = (given: string) => {
    const target = resolve(given);
    if (staged.has(target)) {
      throw new WrennError("invalid_argument", `path '${given}' occurs twice`, { field: "path" });
    }
    const file = StagedFile.create(target, owner, metadata);
    staged.set(target, file);
    return file;
  };
  try {
    await receive({ request, chunks, path, stage });
    for (const file of staged.values()) file.commit();
  } catch (error) {
    for (const file of staged.values()) file.abandon();
    throw error;
  }
  return [...staged.values()].map((file) => file.written);
}

interface Incoming {
  request: Request;
  chunks: AsyncIterable<Uint8Array>;
  path: string | undefined;
  stage: (path: string) => StagedFile;
}

async function receive({ request, chunks, path, stage }: Incoming): Promise<void> {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type === "multipart/form-data") return receiveMultipart({ request, chunks, path, stage });
  if (type !== "application/octet-stream") {
    throw new WrennError(
      "unsupported_media_type",
      "content-type must be application/octet-stream or multipart/form-data",
    );
  }
  if (path === undefined) throw new WrennError("invalid_argument", "path is required", { field: "path" });
  const file = stage(path);
  for await (const chunk of chunks) file.write(chunk);
}
