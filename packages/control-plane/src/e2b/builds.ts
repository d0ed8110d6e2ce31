// Template builds of E2B's clients.
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import type { E2bBuild, E2bBuildRequest, E2bBuildStatus, E2bBuildSteps, E2bStatusQuery } from "@wrenn/api";
import { WrennError } from "@wrenn/core";
import { handler } from "../http/handler.ts";
import type { Services } from "../services/services.ts";
import type { StepBuildRecord } from "../services/step-build/build-log.ts";
import type { ImageOrder } from "../services/step-build/builder.ts";
import { planSteps, START } from "../services/step-build/plan.ts";
import { templateName } from "./aliases.ts";
import { tagsOfBuild } from "./tags.ts";
import { asks, refuse } from "./unsupported.ts";

/** Entries of the log in one answer. */
const LOG_ENTRIES = 100;

/** E2B's own images, which have counterparts here. */
const IMAGES: Readonly<Record<string, string>> = {
  "e2bdev/base": "base",
  "e2bdev/code-interpreter": "code-interpreter-v1",
};

export function buildHandlers({ stepBuilds, uploads, templates, stallMs }: Services) {
  return {
    e2bRequestBuild: handler<E2bBuildRequest>(async ({ caller, body }) => {
      const { cpuCount, memoryMB } = body;
      const { name: plain, tags } = tagsOfBuild(body.name ?? "", body.tags);
      const taken = await templates.find(caller, plain);
      if (taken?.type === "base") {
        throw new WrennError("invalid_argument", `${plain} is a base template; choose another name`, {
          field: "name",
        });
      }
      await templates.assertRoomForTags(caller, plain, tags);
      const record = stepBuilds.request(
        caller,
        { name: plain, tags },
        { vcpus: cpuCount, memoryMb: memoryMB },
      );
      const names = [plain];
      return {
        body: {
          templateID: plain,
          buildID: record.id,
          public: false,
          names,
          tags,
          aliases: names,
        } satisfies E2bBuild,
      };
    }),
    e2bFilesOfStep: handler(async ({ caller, params, request }) => {
      const hash = params["hash"] ?? "";
      const url = `${originOf(request.raw)}/e2b/uploads/${uploads.ticket(caller.owner, hash)}`;
      return { body: { present: uploads.has(caller.owner, hash), url } };
    }),
    e2bSendFiles: handler(async ({ params, request }) => {
      request.raw.setTimeout(stallMs, () => request.raw.destroy());
      await uploads.receive(params["ticket"] ?? "", request.raw);
      return {};
    }),
    e2bStartBuild: handler<E2bBuildSteps>(async ({ caller, params, body }) => {
      const { startCmd, readyCmd, force = false } = body;
      const parent = parentOf(body);
      const { config } = (typeof parent === "string" && (await templates.find(caller, parent))) || {};
      const start = { ...START, ...config };
      const steps = (body.steps ?? []).map(({ args = [], ...step }) => ({ ...step, args }));
      // What is wrong is said at once, not in the build's log.
      planSteps(steps, start);
      stepBuilds.start(caller, params["build"] ?? "", {
        parent,
        steps,
        start,
        force,
        startCommand: startCmd,
        readyCommand: readyCmd,
      });
      return {};
    }),
    e2bBuildStatus: handler<undefined, E2bStatusQuery>(async ({ caller, params, query }) => ({
      body: present(stepBuilds.get(caller, params["build"] ?? ""), query.logsOffset ?? 0),
    })),
  };
}

/** A template's name, or an image. E2B's own images have counterparts here. */
function parentOf({ fromTemplate, fromImage, fromImageRegistry }: E2bBuildSteps): string | ImageOrder {
  if (fromTemplate !== undefined) return templateName(fromTemplate);
  const plain = (fromImage ?? "e2bdev/base").replace(/:latest$/, "");
  if (Object.hasOwn(IMAGES, plain)) return templateName(IMAGES[plain] as string);
  return { reference: fromImage ?? "", ...credentialsOf(fromImageRegistry) };
}

function credentialsOf(registry: unknown): { username: string; password: string } {
  if (!asks(registry)) return { username: "", password: "" };
  const { type, username, password } = registry as Record<string, unknown>;
  refuse({ "credentials of that kind (aws, gcp)": type !== "registry" });
  if (typeof username !== "string" || typeof password !== "string" || username.includes(":")) {
    throw new WrennError("invalid_argument", "fromImageRegistry needs a username and a password", {
      field: "fromImageRegistry",
    });
  }
  return { username, password };
}

function present(record: StepBuildRecord, offset: number): E2bBuildStatus {
  const entries = record.entries(offset, LOG_ENTRIES);
  const { failure } = record;
  return {
    templateID: record.template,
    buildID: record.id,
    status: record.status,
    logs: entries.map(({ message }) => message),
    logEntries: entries.map(({ timestamp, step, ...rest }) => ({
      timestamp: timestamp.toISOString(),
      ...rest,
      ...(step !== undefined && { step }),
    })),
    ...(failure && {
      reason: { message: failure.message, ...(failure.step !== undefined && { step: failure.step }) },
    }),
  };
}

/** Where the client has reached this service. */
function originOf({ headers, socket }: IncomingMessage): string {
  const secure = (socket as Partial<TLSSocket>).encrypted === true;
  return `${secure ? "https" : "http"}://${headers.host ?? "localhost"}`;
}
