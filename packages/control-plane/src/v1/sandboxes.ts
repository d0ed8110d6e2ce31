// Routes of sandboxes.
import type {
  CreateSandboxRequest,
  ForkRequest,
  ListSandboxesQuery,
  RestoreRequest,
  ResumeRequest,
  Sandbox,
  SandboxPort,
} from "@wrenn/api";
import { WrennError } from "@wrenn/core";
import type { SandboxRow } from "../db/schema.ts";
import { handler } from "../http/handler.ts";
import { cutPage, pageOf } from "../http/page.ts";
import { urlOfPort } from "../proxy/address.ts";
import type { Services } from "../services/services.ts";
import { presentSandbox } from "./present.ts";

const METADATA_FILTER = "metadata.";

export function sandboxHandlers({ sandboxes, activity, domain }: Services) {
  const present = (row: SandboxRow): Sandbox => presentSandbox(row, activity.unwritten(row.id));
  return {
    createSandbox: handler<CreateSandboxRequest>(async ({ caller, body }) => ({
      body: present(await sandboxes.create(caller, body)),
    })),
    listSandboxes: handler<undefined, ListSandboxesQuery>(async ({ caller, query }) => {
      const { status, template } = query;
      const metadata = metadataFilter(query);
      const rows = await sandboxes.list(caller, { status, template, metadata, ...pageOf(query) });
      const page = cutPage(rows, query, (row) => ({ createdAt: row.created_at.getTime(), id: row.id }));
      return { body: page.rows.map(present), headers: page.headers };
    }),
    getSandboxPort: handler(async ({ sandbox, params, request }) => {
      const port = Number(params["port"]);
      if (port > 65_535) throw new WrennError("not_found", "there is no such port");
      const url = urlOfPort({ id: sandbox.id, port, domain, ownHost: request.raw.headers.host });
      const token = sandbox.traffic_token ?? undefined;
      return { body: { url, ...(token !== undefined && { token }) } satisfies SandboxPort };
    }),
    getSandbox: handler(async ({ sandbox }) => ({ body: present(sandbox) })),
    deleteSandbox: handler(async ({ caller, sandbox }) => {
      await sandboxes.destroy(caller, sandbox);
      return {};
    }),
    pingSandbox: handler(async ({ caller, sandbox }) => {
      await sandboxes.ping(caller, sandbox);
      return {};
    }),
    pauseSandbox: handler(async ({ caller, sandbox }) => ({
      body: present(await sandboxes.pause(caller, sandbox)),
    })),
    resumeSandbox: handler<ResumeRequest>(async ({ caller, sandbox, body }) => ({
      body: present(await sandboxes.resume(caller, sandbox, body)),
    })),
    forkSandbox: handler<ForkRequest>(async ({ caller, sandbox, body }) => ({
      body: (await sandboxes.fork(caller, sandbox, body)).map(present),
    })),
    restoreSandbox: handler<RestoreRequest>(async ({ caller, sandbox, body }) => ({
      body: present(await sandboxes.restore(caller, sandbox, body)),
    })),
  };
}

/** `metadata.<k>=<v>` parameters as an object; nothing when there are none. */
function metadataFilter(query: ListSandboxesQuery): Record<string, string> | undefined {
  const entries = Object.entries(query).filter(([name]) => name.startsWith(METADATA_FILTER)) as [
    string,
    string,
  ][];
  if (entries.length === 0) return undefined;
  for (const [name, value] of entries) {
    // What PostgreSQL cannot hold no sandbox can have, but it must not become an error of the database.
    if (`${name}${value}`.includes("\0") || !`${name}${value}`.isWellFormed()) {
      throw new WrennError("invalid_argument", `${name} must be text without NUL`, { field: name });
    }
  }
  return Object.fromEntries(entries.map(([name, value]) => [name.slice(METADATA_FILTER.length), value]));
}
