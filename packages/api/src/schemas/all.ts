// Every named schema: what a validator has to know to resolve references, and OpenAPI's components.
import { ErrorBody } from "./error.ts";
import { ExecRequest, ExecResponse, ExecTicket } from "./exec.ts";
import { ExecClientMessage, ExecServerMessage } from "./exec-stream.ts";
import { ReadFileRequest, WriteFileForm } from "./files.ts";
import { Health } from "./health.ts";
import { ApiKey, CreateApiKeyRequest, NewApiKey } from "./key.ts";
import type { NamedSchema } from "./reference.ts";
import {
  CreateSandboxRequest,
  EmptyRequest,
  ForkRequest,
  RestoreRequest,
  ResumeRequest,
  Sandbox,
  SandboxPort,
} from "./sandbox.ts";
import { Storage } from "./storage.ts";
import {
  BuildTemplateRequest,
  CreateSnapshotRequest,
  Template,
  TemplateBuild,
  TemplateBuildLog,
} from "./template.ts";

export const SCHEMAS = [
  ErrorBody,
  Health,
  Sandbox,
  SandboxPort,
  CreateSandboxRequest,
  ForkRequest,
  ResumeRequest,
  RestoreRequest,
  EmptyRequest,
  ExecRequest,
  ExecResponse,
  ExecTicket,
  ExecClientMessage,
  ExecServerMessage,
  ReadFileRequest,
  WriteFileForm,
  Template,
  BuildTemplateRequest,
  TemplateBuild,
  TemplateBuildLog,
  CreateSnapshotRequest,
  ApiKey,
  CreateApiKeyRequest,
  NewApiKey,
  Storage,
] as unknown as readonly NamedSchema[];
