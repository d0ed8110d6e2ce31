// @wrenn/sdk: the TypeScript client of the Wrenn Sandbox API.
export type {
  ApiKey,
  BuildTemplateRequest,
  CreateApiKeyRequest,
  CreateSandboxRequest,
  CreateSnapshotRequest,
  ExecRequest,
  ExecResponse,
  ExecTicket,
  ForkRequest,
  Health,
  NewApiKey,
  RestoreRequest,
  ResumeRequest,
  Sandbox,
  SandboxPort,
  Signal,
  Storage,
  Template,
  TemplateBuild,
  TemplateBuildLog,
} from "@wrenn/api";
export { WrennClient, type WrennClientOptions } from "./client.ts";
export { type ErrorCode, WrennApiError, WrennConnectionError } from "./error.ts";
export { type ExecExit, type ExecOutput, ExecStream, type ExecStreamRequest } from "./exec-stream.ts";
export type { Files } from "./files.ts";
export type { Keys } from "./keys.ts";
export type { FileData } from "./multipart.ts";
export type { ListOptions } from "./pages.ts";
export type { Sandboxes, SandboxFilter } from "./sandboxes.ts";
export type { CreateSnapshotOptions, Snapshots } from "./snapshots.ts";
export type { Templates, WaitForBuildOptions } from "./templates.ts";
export type { CallOptions, WriteOptions } from "./transport.ts";
