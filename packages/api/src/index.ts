// @wrenn/api: the REST API as data. Schemas with their static types, the route table, the OpenAPI document.
export type {
  E2bListedSandbox,
  E2bMetric,
  E2bSandbox,
  E2bSandboxDetail,
  E2bSnapshot,
  E2bTemplate,
} from "./e2b/answers.ts";
export type {
  E2bBuild,
  E2bBuildRequest,
  E2bBuildStatus,
  E2bBuildSteps,
  E2bStatusQuery,
} from "./e2b/builds.ts";
export { E2bError } from "./e2b/error.ts";
export type { E2bLogEntry, E2bLogsQuery, E2bLogsV1Query } from "./e2b/logs.ts";
export type {
  E2bConnectRequest,
  E2bCreateRequest,
  E2bForkRequest,
  E2bListQuery,
  E2bMetricsQuery,
  E2bNetworkRequest,
  E2bPauseRequest,
  E2bRefreshRequest,
  E2bSnapshotRequest,
  E2bSnapshotsQuery,
  E2bTimeoutRequest,
} from "./e2b/requests.ts";
export { E2B_ROUTES, type E2bOperationId } from "./e2b/routes.ts";
export type { E2bAssignTagsRequest, E2bRemoveTagsRequest, E2bTag } from "./e2b/tags.ts";
export { e2bDocument, openApiDocument } from "./openapi.ts";
export {
  documentedStatuses,
  errorStatuses,
  fastifyPath,
  pathParams,
  type Route,
  type RouteAuth,
  type RouteBody,
  type RouteSuccess,
  TAGS,
  type Tag,
} from "./route.ts";
export { type OperationId, ROUTES } from "./routes/all.ts";
export { SCHEMAS } from "./schemas/all.ts";
export { ErrorBody } from "./schemas/error.ts";
export { ExecRequest, ExecResponse, ExecStreamQuery, ExecTicket } from "./schemas/exec.ts";
export {
  ExecClientMessage,
  ExecServerMessage,
  SIGNALS,
  type Signal,
  StreamStart,
} from "./schemas/exec-stream.ts";
export { ReadFileRequest, WriteFileForm } from "./schemas/files.ts";
export {
  IdempotencyHeaders,
  KEY_HEADER,
  NEXT_TOKEN_HEADER,
  REQUEST_ID_HEADER,
} from "./schemas/headers.ts";
export { Health } from "./schemas/health.ts";
export { ApiKey, CreateApiKeyRequest, ListApiKeysQuery, NewApiKey } from "./schemas/key.ts";
export { ApiKeyParams, SandboxParams, SandboxPortParams, TemplateParams } from "./schemas/params.ts";
export type { NamedSchema } from "./schemas/reference.ts";
export {
  CreateSandboxRequest,
  EmptyRequest,
  ForkRequest,
  ListSandboxesQuery,
  RestoreRequest,
  ResumeRequest,
  Sandbox,
  SandboxPort,
} from "./schemas/sandbox.ts";
export { Storage } from "./schemas/storage.ts";
export {
  BUILD_LOG_LINES,
  BuildLogQuery,
  BuildTemplateRequest,
  CreateSnapshotQuery,
  CreateSnapshotRequest,
  ListSnapshotsQuery,
  Template,
  TemplateBuild,
  TemplateBuildLog,
} from "./schemas/template.ts";
