// A base template as a host describes it, for the database.
import { BOUNDS } from "@wrenn/core";
import type { TemplateInfo } from "@wrenn/rpc/hostagent";
import type { BaseTemplate } from "../db/queries/templates.ts";

export function baseTemplate(info: TemplateInfo): BaseTemplate {
  return {
    name: info.name,
    // A host that leaves them out has no opinion on the size.
    vcpus: info.vcpus || BOUNDS.vcpus.default,
    memoryMb: info.memoryMb || BOUNDS.memory_mb.default,
    sizeBytes: Number(info.sizeBytes),
    rootfsSha256: info.rootfsSha256,
    createdAt: new Date(Number(info.createdAtUnix) * 1000),
  };
}
