// hostagent.v1.HostAgentService: each method translates between the wire and the sandbox manager.
import { Readable } from "node:stream";
import { LIMITS, newSandboxId, WrennError } from "@wrenn/core";
import { ENVD_VERSION } from "@wrenn/envd";
import { assertEgress, type Egress, GUEST } from "@wrenn/linux";
import { HostAgentService } from "@wrenn/rpc/hostagent";
import type { Methods, UnaryCall } from "@wrenn/rpc/unary";
import { runCaptured } from "../guest/exec.ts";
import type { HostInfo } from "../host-info.ts";
import type { CreateSpec } from "../sandbox/create.ts";
import type { SandboxManager } from "../sandbox/manager.ts";
import type { ReportLog } from "../sandbox/reports.ts";
import type { Samples } from "../sandbox/samples.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import type { Storage } from "../storage/storage.ts";
import type { TemplateBuilds } from "../template/builds.ts";
import type { ImageBuilds } from "../template/images.ts";
import type { TemplateRegistry } from "../template/registry.ts";
import { execStream, sendExecInput } from "./exec-stream.ts";
import { buildImage, resolveImage } from "./image-rpc.ts";
import { lifecycleMethods } from "./lifecycle-rpc.ts";
import { buildTemplate, templateInfo } from "./template-rpc.ts";
import { assertCommand, assertGuestPath, assertIsolation, oneOf } from "./validate.ts";
import { watchMethods } from "./watch-rpc.ts";

export interface ServiceContext {
  manager: SandboxManager;
  templates: TemplateRegistry;
  builds: TemplateBuilds;
  images: ImageBuilds;
  reports: ReportLog;
  storage: Storage;
  samples: Samples;
  dataDir: string;
  host: HostInfo;
}

/** Where the methods are served: connect-node's router, and the short way for those with one answer. */
export interface Router {
  service(service: typeof HostAgentService, methods: Partial<Methods<typeof HostAgentService>>): unknown;
}

/** Registers the service on a router. */
export function hostAgentRoutes(context: ServiceContext): (router: Router) => void {
  const { manager, templates, builds, images, storage, reports, host } = context;
  return (router) => {
    router.service(HostAgentService, {
      // Not tied to the caller's lifetime: a create that was asked for is finished, the control plane finds it by its id.
      async createSandbox(request) {
        assertIsolation(request.minIsolation, host.isolation);
        const spec: CreateSpec = {
          id: request.sandboxId === "" ? newSandboxId() : request.sandboxId,
          template: request.template,
          vcpus: request.vcpus,
          memoryMb: request.memoryMb,
          diskMb: request.diskMb,
          timeoutSec: request.timeoutSec,
          ttlMode: oneOf("ttl_mode", request.ttlMode, ["inactivity", "deadline"]),
          onTimeout: oneOf("on_timeout", request.onTimeout, ["pause", "destroy"]),
          start: oneOf("start", request.start, ["auto", "clone", "cold"]),
          envs: request.envs,
          ...(request.egress && { egress: egressOf(request.egress) }),
        };
        const sandbox = await manager.create(spec);
        return {
          sandboxId: sandbox.id,
          status: sandbox.status,
          hostIp: sandbox.running?.slot.guestAddress ?? "",
          guestIp: GUEST.address,
          isolation: host.isolation,
          onTimeout: sandbox.record.onTimeout,
          expiresAtUnixMs: BigInt(sandbox.expiresAt ?? 0),
        };
      },
      async setTimeout({ sandboxId, timeoutSec, extendOnly }) {
        const sandbox = await manager.setTimeout(sandboxId, { timeoutSec, extendOnly });
        const { record, expiresAt } = sandbox;
        return {
          expiresAtUnixMs: BigInt(expiresAt ?? 0),
          timeoutSec: record.timeoutSec,
          ttlMode: record.ttlMode,
        };
      },
      async setEgress({ sandboxId, egress }) {
        await manager.setEgress(sandboxId, egressOf(egress ?? { allow: [], deny: [] }));
        return {};
      },
      getAccess({ sandboxId }) {
        return { accessToken: manager.get(sandboxId).record.token, envdVersion: ENVD_VERSION };
      },
      async destroySandbox(request) {
        await manager.destroy(request.sandboxId);
        return {};
      },
      async exec(request, call) {
        assertCommand(request);
        return manager.use(request.sandboxId, async (guest, gone) => {
          const began = performance.now();
          const result = await runCaptured(
            guest,
            { ...request, requestId: requestId(call) },
            { stdin: request.stdin, signal: AbortSignal.any([call.signal, gone]) },
          );
          return { ...result, guestMicros: BigInt(Math.round((performance.now() - began) * 1000)) };
        });
      },
      async *execStream(request, call) {
        assertCommand(request);
        yield* execStream(manager, request, { requestId: requestId(call), signal: call.signal });
      },
      async sendExecInput(request) {
        await sendExecInput(manager, request);
        return {};
      },
      listSandboxes() {
        return { sandboxes: manager.list().map((sandbox) => sandboxInfo(sandbox, host.isolation)) };
      },
      async writeFile(request, call) {
        assertGuestPath(request.path);
        await manager.use(request.sandboxId, (guest, gone) =>
          guest.writeFile(request.path, Readable.from([request.content]), {
            contentLength: request.content.length,
            signal: AbortSignal.any([call.signal, gone]),
            ...withRequestId(call),
          }),
        );
        return {};
      },
      async readFile(request, call) {
        assertGuestPath(request.path);
        const content = await manager.use(request.sandboxId, async (guest, gone) => {
          const signal = AbortSignal.any([call.signal, gone]);
          const { body } = await guest.readFile(request.path, { signal, ...withRequestId(call) });
          return collect(body, LIMITS.filesWriteBytes, request.path);
        });
        return { content };
      },
      async writeFileStream(requests, call) {
        const iterator = requests[Symbol.asyncIterator]();
        const first = await iterator.next();
        const meta = first.done ? undefined : first.value.content;
        if (meta?.case !== "meta") {
          throw new WrennError("invalid_argument", "the first message of a file must be its meta", {
            field: "meta",
          });
        }
        const { sandboxId, path } = meta.value;
        assertGuestPath(path);
        const chunks = async function* () {
          for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
            if (next.value.content.case === "chunk") yield next.value.content.value;
          }
        };
        await manager.use(sandboxId, (guest, gone) =>
          guest.writeFile(path, Readable.from(chunks(), { objectMode: false }), {
            signal: AbortSignal.any([call.signal, gone]),
            ...withRequestId(call),
          }),
        );
        return {};
      },
      async *readFileStream(request, call) {
        assertGuestPath(request.path);
        const { guest, gone, end } = manager.enter(request.sandboxId);
        try {
          const signal = AbortSignal.any([call.signal, gone]);
          const { body } = await guest.readFile(request.path, { signal, ...withRequestId(call) });
          for await (const chunk of body as AsyncIterable<Buffer>) yield { chunk };
        } finally {
          end();
        }
      },
      pingSandbox(request) {
        manager.enter(request.sandboxId).end();
        return {};
      },
      ...lifecycleMethods(context),
      ...watchMethods(context),
      listTemplates() {
        return { templates: templates.list().map(templateInfo) };
      },
      buildTemplate: (request) => buildTemplate(builds, request),
      resolveImage: (request, call) => resolveImage(images, request, call.signal),
      buildImage: (request, call) => buildImage(images, request, call.signal),
      async deleteTemplate(request) {
        await templates.remove(request.name, "base");
        storage.collect();
        return {};
      },
      getHost: () => host.describe(manager.list().length),
      listReports() {
        return {
          reports: reports
            .list()
            .map(({ at, event = "", ...report }) => ({ ...report, event, atUnixMs: BigInt(at) })),
        };
      },
      async acknowledgeReports(request) {
        await reports.acknowledge(request.ids);
        return {};
      },
    });
  };
}

function sandboxInfo(sandbox: Sandbox, isolation: string) {
  const { record, running, activity, deadOf } = sandbox;
  return {
    sandboxId: record.id,
    // Its end has been reported by now, whatever its record says.
    status: deadOf === undefined ? record.status : "stopped",
    template: record.template,
    vcpus: record.vcpus,
    memoryMb: record.memoryMb,
    hostIp: running?.slot.guestAddress ?? "",
    createdAtUnix: BigInt(Math.floor(record.createdAt / 1000)),
    lastActiveAtUnix: BigInt(Math.floor(activity.lastActiveAt / 1000)),
    timeoutSec: record.timeoutSec,
    onTimeout: record.onTimeout,
    error: deadOf ?? sandbox.failure,
    isolation,
    diskMb: record.diskMb,
    ttlMode: record.ttlMode,
    expiresAtUnixMs: BigInt(sandbox.expiresAt ?? 0),
  };
}

function requestId(call: UnaryCall): string | undefined {
  return call.requestHeader.get("x-request-id") ?? undefined;
}

function withRequestId(call: UnaryCall): { requestId?: string } {
  const id = requestId(call);
  return id === undefined ? {} : { requestId: id };
}

async function collect(body: Readable, limit: number, path: string): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit)
      throw new WrennError("too_large", `${path} is larger than ${limit} bytes; read it as a stream`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Checked: it becomes part of a ruleset. */
function egressOf({ allow, deny }: { allow: string[]; deny: string[] }): Egress {
  const egress = { allow: [...allow], deny: [...deny] };
  assertEgress(egress);
  return egress;
}
