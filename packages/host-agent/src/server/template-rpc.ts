// Template builds over the RPC.
import type { BuildTemplateRequest } from "@wrenn/rpc/hostagent";
import type { TemplateBuilds } from "../template/builds.ts";
import type { Template } from "../template/registry.ts";

/** Values that a base template's sandboxes get when the caller names none; base templates do not lock them. */
const BASE_VCPUS = 1;
const BASE_MEMORY_MB = 512;

export function templateInfo(template: Template) {
  const locked = template.type === "snapshot";
  return {
    name: template.name,
    type: template.type,
    vcpus: locked ? template.vcpus : BASE_VCPUS,
    memoryMb: locked ? template.memoryMb : BASE_MEMORY_MB,
    sizeBytes: BigInt(template.sizeBytes),
    createdAtUnix: BigInt(Math.floor(template.createdAt / 1000)),
    rootfsSha256: locked ? "" : template.rootfs,
  };
}

/** Follows a build from its first event. The build goes on when the caller goes away. */
export async function* buildTemplate(builds: TemplateBuilds, request: BuildTemplateRequest) {
  for await (const event of builds.follow(request.name, request.recipe)) {
    if (event.type === "log") yield { event: { case: "log", value: event.line } as const };
    else if (event.type === "ready")
      yield { event: { case: "ready", value: templateInfo(event.template) } as const };
    else {
      const { name, done, millis } = event;
      yield { event: { case: "step", value: { name, done, millis: BigInt(Math.round(millis)) } } as const };
    }
  }
}
