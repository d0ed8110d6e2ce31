// The methods of hostagent.v1 that freeze, continue, copy and keep sandboxes, and what they take on disk.
import { statfs } from "node:fs/promises";
import { assertName, WrennError } from "@wrenn/core";
import { GUEST } from "@wrenn/linux";
import type { HostAgentService } from "@wrenn/rpc/hostagent";
import type { Methods } from "@wrenn/rpc/unary";
import type { ServiceContext } from "./rpc.ts";
import { oneOf } from "./validate.ts";

type LifecycleMethods = Pick<
  Methods<typeof HostAgentService>,
  | "pauseSandbox"
  | "resumeSandbox"
  | "forkSandbox"
  | "restoreSandbox"
  | "createSnapshot"
  | "deleteSnapshot"
  | "getStorage"
>;

/** None is tied to its caller's lifetime: what was begun is finished, and the control plane finds it by its id. */
export function lifecycleMethods({ manager, templates, storage, dataDir }: ServiceContext): LifecycleMethods {
  return {
    async pauseSandbox({ sandboxId }) {
      const phases = await manager.pause(sandboxId);
      return {
        phaseMicros: Object.fromEntries(
          Object.entries(phases).map(([name, ms]) => [name, BigInt(Math.round(ms * 1000))]),
        ),
      };
    },
    async resumeSandbox(request) {
      const cold = oneOf("start", request.start, ["auto", "cold"]) === "cold";
      const sandbox = await manager.resume(request.sandboxId, { cold, timeoutSec: request.timeoutSec });
      return {
        sandboxId: sandbox.id,
        status: sandbox.status,
        hostIp: hostIp(sandbox),
        expiresAtUnixMs: BigInt(sandbox.expiresAt ?? 0),
      };
    },
    async forkSandbox({ sandboxId, forkIds }) {
      const { forks, stoodStillMs } = await manager.fork(sandboxId, forkIds);
      return {
        forks: forks.map((fork) => ({ sandboxId: fork.id, hostIp: hostIp(fork), guestIp: GUEST.address })),
        stoppedMicros: BigInt(Math.round(stoodStillMs * 1000)),
      };
    },
    async restoreSandbox({ sandboxId, snapshot }) {
      const sandbox = await manager.restore(sandboxId, snapshot);
      return {
        sandboxId: sandbox.id,
        status: sandbox.status,
        hostIp: hostIp(sandbox),
        expiresAtUnixMs: BigInt(sandbox.expiresAt ?? 0),
      };
    },
    async createSnapshot(request) {
      assertName(request.name);
      if (templates.find(request.name)) {
        throw new WrennError("already_exists", `there is a template ${request.name} on this host`, {
          field: "name",
        });
      }
      const leave = oneOf("leave", request.leave, ["running", "paused"]);
      const options = { name: request.name, leave, seldom: request.seldom };
      const { template, sandbox } = await manager.snapshot(request.sandboxId, options);
      const { name, vcpus, memoryMb } = template;
      return { name, vcpus, memoryMb, sizeBytes: BigInt(template.sizeBytes), status: sandbox.status };
    },
    async deleteSnapshot({ name }) {
      assertName(name);
      // Already gone is success: the control plane may have to ask twice.
      if (templates.find(name)) await templates.remove(name, "snapshot");
      storage.collect();
      return {};
    },
    async getStorage() {
      const { bsize, bavail, blocks } = await statfs(dataDir);
      const entries = await storage.describe();
      return {
        entries: entries.map(({ sizeBytes, ...entry }) => ({
          ...entry,
          name: "",
          sizeBytes: BigInt(sizeBytes),
        })),
        freeBytes: BigInt(bsize * bavail),
        totalBytes: BigInt(bsize * blocks),
      };
    },
  };
}

function hostIp(sandbox: { running: { slot: { guestAddress: string } } | undefined }): string {
  return sandbox.running?.slot.guestAddress ?? "";
}
