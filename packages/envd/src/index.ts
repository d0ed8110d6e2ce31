// @wrenn/envd: the guest agent. Other packages see only how to build it and where it listens.
export { buildEnvd } from "./build.ts";
export { GATEWAY_PORT } from "./ports/gateway.ts";
export { ENVD_PORT, ENVD_VERSION } from "./version.ts";
