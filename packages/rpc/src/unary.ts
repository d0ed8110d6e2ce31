// Unary calls without the weight of a general transport: between processes of this platform.
export { type UnaryClient, type UnaryClientOptions, unaryClient } from "./unary/client.ts";
export { UNARY_UPGRADE } from "./unary/protocol.ts";
export {
  type Methods,
  type UnaryCall,
  type UnaryServer,
  type UnaryServerOptions,
  unaryServer,
} from "./unary/server.ts";
