// The guest agent's contract: process.Process and filesystem.Filesystem.
export * from "./gen/filesystem/filesystem_pb.ts";
export * from "./gen/process/process_pb.ts";
