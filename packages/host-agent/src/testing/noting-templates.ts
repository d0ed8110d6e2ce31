// A base template with one booted copy, and what a test is told of the copies that are wanted.
import type { BaseTemplate, TemplateRegistry } from "../template/registry.ts";
import { shapeKey, WarmTemplates } from "../template/warm.ts";
import { type FakeHost, GUEST_IMAGES, listeningLog, SHAPE } from "./fake-host.ts";

/** The snapshot `copy` is its booted copy. */
export const TEMPLATE: BaseTemplate = {
  ...{ name: "minimal", type: "base", rootfs: "4".repeat(64), defaultDisk: `${"5".repeat(64)}.10240m` },
  ...{ sizeBytes: 0, minDiskMb: 512, createdAt: 0 },
  warm: { [shapeKey(SHAPE)]: "copy" },
};

/** Finds copies as the real ones do, and makes none. */
export class NotingTemplates extends WarmTemplates {
  /** Names of the templates of which one was to be made. */
  readonly wanted: string[] = [];
  readonly registry: TemplateRegistry;

  constructor({ context }: FakeHost) {
    const registry = { guestImages: async () => GUEST_IMAGES } as unknown as TemplateRegistry;
    super({ context, registry, log: listeningLog().log });
    this.registry = registry;
  }

  override makeSoon({ name }: BaseTemplate): void {
    this.wanted.push(name);
  }
}
