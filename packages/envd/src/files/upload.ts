// POST /files: file contents from a request's body.
import { WrennError } from "@wrenn/core";
import { bodyChunks } from "./body-chunks.ts";
import { receiveMultipart } from "./multipart.ts";
import { StagedFile } from "./staged-file.ts";

export interface UploadOptions {
  request: Request;
  /** The `path` of the query, as given. */
  path: string | undefined;
  /** Absolute path for a path as given. */
  resolve: (path: string) => string;
  owner: { uid: number; gid: number };
}

/** A file that was written, as the protocol tells it. */
export interface WrittenFile {
  path: string;
  name: string;
  type: "file";
}

/**
 * Writes `application/octet-stream` to `path`, or the parts named `file` of `multipart/form-data` to `path` or
 * to the names they carry. All files are put in place after the whole body has arrived; when anything fails
 * before that, none is.
 */
export async function receiveUpload({
  request,
  path,
  resolve,
  owner,
}: UploadOptions): Promise<WrittenFile[]> {
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && encoding !== "identity") {
    throw new WrennError("unsupported_media_type", `content-encoding '${encoding}' is not supported`);
  }
  const staged = new Map<string, StagedFile>();
  const stage = (given: string) => {
    const target = resolve(given);
    if (staged.has(target)) {
      throw new WrennError("invalid_argument", `path '${given}' occurs twice`, { field: "path" });
    }
    const file = StagedFile.create(target, owner);
    staged.set(target, file);
    return file;
  };
  try {
    await receive(request, path, stage);
    for (const file of staged.values()) file.commit();
  } catch (error) {
    for (const file of staged.values()) file.abandon();
    throw error;
  }
  return [...staged].map(([target, file]) => ({ path: target, name: file.name, type: "file" as const }));
}

async function receive(
  request: Request,
  path: string | undefined,
  stage: (path: string) => StagedFile,
): Promise<void> {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type === "multipart/form-data") return receiveMultipart(request, path, stage);
  if (type !== "application/octet-stream") {
    throw new WrennError(
      "unsupported_media_type",
      "content-type must be application/octet-stream or multipart/form-data",
    );
  }
  if (path === undefined) throw new WrennError("invalid_argument", "path is required", { field: "path" });
  const file = stage(path);
  for await (const chunk of bodyChunks(request)) file.write(chunk);
}
