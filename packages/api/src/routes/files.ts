// Routes: files in and out of a sandbox.
import type { Route, RouteBody, RouteSuccess } from "../route.ts";
import { FileContent, ReadFileRequest, WriteFileForm } from "../schemas/files.ts";
import { SandboxParams } from "../schemas/params.ts";
import { ref } from "../schemas/reference.ts";
import { ON_HOST, WITH_BODY } from "./errors.ts";
import { jsonBody, noContent } from "./json.ts";

const form: RouteBody = { contentType: "multipart/form-data", schema: ref(WriteFileForm) };

const content: RouteSuccess = {
  status: 200,
  description: "The bytes of the file.",
  content: { type: "application/octet-stream", schema: FileContent },
};

export const FILE_ROUTES = [
  {
    method: "POST",
    path: "/v1/sandboxes/{id}/files/write",
    operationId: "writeFile",
    summary: "Write a file of at most 100 MiB",
    description: "The parts may come in any order.",
    tag: "files",
    auth: "key",
    params: SandboxParams,
    body: form,
    success: noContent("The file is there, whole."),
    errors: [...WITH_BODY, ...ON_HOST, "not_a_file", "forbidden"],
  },
  {
    method: "POST",
    path: "/v1/sandboxes/{id}/files/read",
    operationId: "readFile",
    summary: "Read a file",
    tag: "files",
    auth: "key",
    params: SandboxParams,
    body: jsonBody(ReadFileRequest),
    success: content,
    errors: [...WITH_BODY, ...ON_HOST, "not_a_file", "forbidden"],
  },
  {
    method: "POST",
    path: "/v1/sandboxes/{id}/files/stream/write",
    operationId: "streamWriteFile",
    summary: "Write a file of any size",
    description:
      "`path` comes before `file`. The content goes to a temporary name first: an upload that breaks off leaves the old file whole.",
    tag: "files",
    auth: "key",
    params: SandboxParams,
    body: form,
    success: noContent("The file is there, whole."),
    errors: [...WITH_BODY, ...ON_HOST, "not_a_file", "forbidden"],
  },
  {
    method: "POST",
    path: "/v1/sandboxes/{id}/files/stream/read",
    operationId: "streamReadFile",
    summary: "Read a file of any size",
    description: "A failure after the first byte breaks the connection off.",
    tag: "files",
    auth: "key",
    params: SandboxParams,
    body: jsonBody(ReadFileRequest),
    success: content,
    errors: [...WITH_BODY, ...ON_HOST, "not_a_file", "forbidden"],
  },
] as const satisfies readonly Route[];
