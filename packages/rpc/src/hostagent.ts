// The host agent's contract: hostagent.v1.HostAgentService.
export * from "./gen/hostagent/v1/hostagent_pb.ts";
