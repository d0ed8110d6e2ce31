// Sandboxes of E2B's clients: made, found, looked at, deleted.
import type {
  E2bCreateRequest,
  E2bListQuery,
  E2bMetric,
  E2bMetricsQuery,
  E2bNetworkRequest,
} from "@wrenn/api";
import { LIMITS, type SandboxStatus, WrennError } from "@wrenn/core";
import { type Call, handler } from "../http/handler.ts";
import { cutPage, pageOf } from "../http/page.ts";
import type { GuestMetrics } from "../services/guest-metrics.ts";
import type { Services } from "../services/services.ts";
import { templateName } from "./aliases.ts";
import { toCreateOptions, toNetwork } from "./create-request.ts";
import { logHandlers } from "./logs.ts";
import { metadataFilter } from "./metadata-query.ts";
import { presentAccess, presentDetail, presentListed } from "./present.ts";
import { STATES, shown } from "./shown.ts";

export function sandboxHandlers(services: Services) {
  const { sandboxes, access, guestMetrics, domain } = services;
  const create = handler<E2bCreateRequest>(async ({ caller, body }) => {
    const row = await sandboxes.create(caller, toCreateOptions(body));
    return { body: presentAccess(row, await access.of(caller, row), domain) };
  });
  const list = (states: readonly SandboxStatus[]) =>
    handler<undefined, E2bListQuery>(async (call) => await listPage(services, call, states));
  return {
    e2bCreateSandbox: create,
    e2bCreateSandboxV1: create,
    e2bListSandboxes: list([...STATES.running, ...STATES.paused]),
    e2bListSandboxesV1: list(STATES.running),
    e2bGetSandbox: handler(async ({ caller, sandbox }) => ({
      body: presentDetail(shown(sandbox), await access.of(caller, sandbox), domain),
    })),
    e2bKillSandbox: handler(async ({ caller, sandbox }) => {
      await sandboxes.destroy(caller, shown(sandbox));
      return {};
    }),
    e2bUpdateNetwork: handler<E2bNetworkRequest>(async ({ caller, sandbox, body }) => {
      await sandboxes.setNetwork(caller, shown(sandbox), toNetwork(body));
      return {};
    }),
    e2bSandboxMetrics: handler<undefined, E2bMetricsQuery>(async ({ caller, sandbox, query }) => {
      const { start = 0, end } = query;
      const range = { from: start * 1000, to: end === undefined ? undefined : end * 1000 + 999 };
      return { body: (await guestMetrics.read(caller, shown(sandbox), range)).map(presentMetrics) };
    }),
    ...logHandlers(services),
  };
}

async function listPage(
  { sandboxes, access }: Services,
  { caller, query }: Call<undefined, E2bListQuery>,
  all: readonly SandboxStatus[],
) {
  const { limit = LIMITS.listLimit, nextToken, metadata, template, state, startedAfter, order } = query;
  const page = { limit, ...(nextToken && { next_token: nextToken }) };
  const states = state?.split(",").filter((name) => name in STATES) as (keyof typeof STATES)[] | undefined;
  const rows = await sandboxes.list(caller, {
    ...pageOf(page),
    statuses: states?.flatMap((name) => STATES[name] as readonly SandboxStatus[]) ?? all,
    ascending: order === "asc",
    ...(metadata && { metadata: metadataFilter(metadata) }),
    ...(template !== undefined && { template: templateName(template) }),
    ...(startedAfter !== undefined && { startedAfter: timeOf(startedAfter) }),
  });
  const cut = cutPage(rows, page, (row) => ({ createdAt: row.created_at.getTime(), id: row.id }));
  return { body: cut.rows.map((row) => presentListed(row, access.agentVersion)), headers: cut.headers };
}

function timeOf(text: string): Date {
  const time = new Date(text);
  if (!Number.isNaN(time.getTime())) return time;
  throw new WrennError("invalid_argument", "startedAfter must be a time as in RFC 3339", {
    field: "startedAfter",
  });
}

function presentMetrics({ at, ...used }: GuestMetrics): E2bMetric {
  return { timestamp: at.toISOString(), timestampUnix: Math.floor(at.getTime() / 1000), ...used };
}
