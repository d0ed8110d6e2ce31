// @wrenn/envd: the guest agent. Other packages see only how to build it, where it listens, and how a plain upload ends.
export { buildEnvd, envdKey } from "./build.ts";
export { MARK_BYTES } from "./files/receive-stream.ts";
export { GATEWAY_PORT } from "./ports/gateway.ts";
export { ENVD_PORT, ENVD_VERSION } from "./version.ts";
