// One control plane, put together: database, hosts, services, server, background work.
import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { MIB, Scope } from "@wrenn/core";
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { Reconciler } from "./background/reconciler.ts";
import { ReportCollector } from "./background/report-collector.ts";
import { Schedule } from "./background/schedule.ts";
import type { Config } from "./config/config.ts";
import { connectDatabase, type Db } from "./db/connect.ts";
import { migrateUp } from "./db/migrator.ts";
import { deleteExpired } from "./db/queries/retention.ts";
import { Worker } from "./db/worker.ts";
import { e2bHandlers } from "./e2b/handlers.ts";
import { ExecStreams } from "./exec/streams.ts";
import { HostDirectory } from "./hosts/directory.ts";
import { Idempotency } from "./http/idempotency.ts";
import { listenTls } from "./http/listener.ts";
import { buildServer, closeServer } from "./http/server.ts";
import { SandboxProxy } from "./proxy/proxy.ts";
import { AccessService } from "./services/access.ts";
import { Activity } from "./services/activity.ts";
import { BuildService } from "./services/builds.ts";
import { GuestMetricsService } from "./services/guest-metrics.ts";
import { HealthService } from "./services/health.ts";
import { InFlight } from "./services/in-flight.ts";
import { KeyService } from "./services/keys.ts";
import { Metrics } from "./services/metrics.ts";
import { RecentSandboxes } from "./services/recent-sandboxes.ts";
import { SandboxLogService } from "./services/sandbox-log/sandbox-log.ts";
import { SandboxService } from "./services/sandboxes.ts";
import type { Services } from "./services/services.ts";
import { SnapshotService } from "./services/snapshots.ts";
import { Layers } from "./services/step-build/layers.ts";
import { StepBuildService } from "./services/step-build/step-builds.ts";
import { Uploads } from "./services/step-build/uploads.ts";
import { StorageService } from "./services/storage.ts";
import { TemplateService } from "./services/templates.ts";
import { TicketService } from "./services/tickets.ts";
import { TrafficService } from "./services/traffic.ts";
import { allHandlers } from "./v1/handlers.ts";
import { VERSION } from "./version.ts";

/** Activity is shown a moment late, and so costs one statement a round and not one a request. */
const FLUSH_MS = 500;
const RETENTION_MS = 15 * 60_000;

/** For requests that are under way at the end. */
const DRAIN_MS = 10_000;

/** For creates and the like that are under way at the end. What takes longer is cleaned up at the next start. */
const SETTLE_MS = 10_000;

export interface ControlPlane {
  /** `http://host:port` that it listens on. */
  url: string;
  /** Stops listening, ends streams, lets work that is under way come to an end. */
  close(): Promise<void>;
}

/** Starts a control plane. Throws, with everything given back, when it cannot. */
export async function startControlPlane(config: Config, log: Logger): Promise<ControlPlane> {
  await using scope = new Scope();
  const onDatabaseError = (error: Error) => log.warn({ err: error }, "a database connection broke");
  const db = await scope.take(
    "database",
    () => connectDatabase({ url: config.databaseUrl, onIdleError: onDatabaseError }),
    (handle) => handle.destroy(),
  );
  if (config.migrate) for (const name of await migrateUp(db)) log.info({ migration: name }, "migrated");
  const worker = await scope.take(
    "worker",
    async () => {
      const made = new Worker({ url: config.databaseUrl, onError: onDatabaseError });
      await made.start();
      return made;
    },
    (made) => made.close(),
  );
  const parts = assemble(config, { db, worker: worker.id, log });
  scope.defer("uploads", () => parts.services.uploads.close());
  scope.defer("hosts", () => parts.services.hosts.close());
  scope.defer("work in flight", () => parts.inFlight.settled(SETTLE_MS));
  if (config.bootstrapKeyFile)
    await parts.services.keys.bootstrap(await readFile(config.bootstrapKeyFile, "utf8"));
  await startBackground(scope, config, parts);
  // A host that answers is known before the first request comes: a restart is no reason to refuse its sandboxes.
  await parts.services.hosts.refresh();
  const app = await listen(scope, config, parts);
  const held = scope.move();
  return { url: urlOf(app), close: () => held.close() };
}

interface Parts {
  db: Db;
  log: Logger;
  services: Services;
  inFlight: InFlight;
  proxy: SandboxProxy;
  reports: ReportCollector;
  reconciling: Schedule;
  idempotency: Idempotency;
}

/** Makes the parts and tells each of them about the others it needs. Starts nothing. */
function assemble(config: Config, { db, worker, log }: { db: Db; worker: number; log: Logger }): Parts {
  const { stallMs, allowedOrigins, maxRunning, createTimeoutMs, orphanGraceMs } = config;
  const metrics = new Metrics();
  metrics.countSandboxes(db);
  const hosts = new HostDirectory({
    db,
    addresses: config.hosts,
    tls: config.hostTls,
    observe: (method, seconds, outcome) => metrics.hostCall(method, seconds, outcome),
    describeMs: config.describeMs,
    onChange: (address, failure) => {
      if (failure) {
        log.warn({ host: address, err: failure }, "a host cannot be reached");
        reconciler.lose(address);
      } else {
        log.info({ host: address }, "a host answers");
        reconciling.soon();
      }
    },
  });
  const reports = new ReportCollector({ db, hosts, log });
  const onStale = (hostId: string | null) => void reports.collect(hosts.get(hostId));
  const inFlight = new InFlight();
  const activity = new Activity(db);
  const keys = new KeyService({ db });
  const templates = new TemplateService({ db, hosts, log });
  const reconciler = new Reconciler({ db, hosts, inFlight, reports, log, worker, orphanGraceMs });
  const reconciling = new Schedule({
    what: "reconciling",
    everyMs: config.reconcileMs,
    work: () => reconciler.run(),
    log,
  });
  const sandboxes = new SandboxService({
    db,
    hosts,
    templates,
    activity,
    inFlight,
    log,
    worker,
    maxRunning,
    createTimeoutMs,
    // Once the work that says so is no longer in flight.
    unsettled: () => void setImmediate(() => reconciling.soon()),
  });
  const snapshots = new SnapshotService({ db, hosts, sandboxes, inFlight, log, worker });
  const uploads = new Uploads();
  const access = new AccessService({ hosts });
  const traffic = new TrafficService({ db, sandboxes, inFlight });
  const proxy = new SandboxProxy({ traffic, hosts, activity, metrics, log, onStale });
  const onCount = (open: number) => metrics.streams(open);
  const services: Services = {
    version: VERSION,
    domain: config.domain,
    stallMs,
    hosts,
    activity,
    keys,
    sandboxes,
    recent: new RecentSandboxes({ read: (caller, id) => sandboxes.get(caller, id) }),
    traffic,
    access,
    guestMetrics: new GuestMetricsService({ hosts }),
    logs: new SandboxLogService({ db, hosts }),
    inFlight,
    templates,
    metrics,
    exec: { hosts, activity, onStale },
    streams: new ExecStreams({ hosts, activity, log, stallMs, onStale, onCount }),
    tickets: new TicketService({ db, keys, allowedOrigins }),
    snapshots,
    stepBuilds: new StepBuildService({
      hosts,
      sandboxes,
      templates,
      snapshots,
      layers: new Layers({ db, hosts, snapshots, log, maxBytes: config.layerCacheMb * MIB }),
      access,
      uploads,
      inFlight,
      worker,
    }),
    uploads,
    storage: new StorageService({ db, hosts }),
    builds: new BuildService({ db, hosts, inFlight, log, worker }),
    health: new HealthService({
      db,
      hosts,
      version: VERSION,
      isCompared: (host) => reconciler.hasCompared(host),
    }),
  };
  const idempotency = new Idempotency({ db, worker, log });
  return { db, log, services, inFlight, proxy, reports, reconciling, idempotency };
}

async function startBackground(scope: Scope, config: Config, parts: Parts): Promise<void> {
  const { db, log, services, reports, reconciling } = parts;
  const flush = async () => {
    await services.activity.flush();
    await services.keys.flush();
  };
  const { auditDays, reportsMs } = config;
  const others = [
    { what: "collecting reports", everyMs: reportsMs, work: () => reports.run() },
    { what: "writing activity down", everyMs: FLUSH_MS, work: flush },
    { what: "deleting what is old", everyMs: RETENTION_MS, work: () => deleteExpired(db, { auditDays }) },
  ];
  const schedules = [reconciling, ...others.map((options) => new Schedule({ ...options, log }))];
  for (const schedule of schedules) {
    await scope.take(
      schedule.what,
      () => {
        schedule.start();
        return schedule;
      },
      (started) => started.stop(),
    );
  }
}

async function listen(scope: Scope, config: Config, parts: Parts): Promise<FastifyInstance> {
  const { services, proxy, idempotency, log } = parts;
  const { keys, sandboxes, recent, tickets } = services;
  scope.defer("traffic", async () => proxy.close());
  const app = await buildServer({
    context: { keys, sandboxes, recent, tickets, idempotency },
    handlers: allHandlers(services),
    e2bHandlers: e2bHandlers(services),
    proxy,
    metrics: services.metrics,
    log,
    version: VERSION,
    stallMs: config.stallMs,
  });
  scope.defer("server", () => closeServer(app, DRAIN_MS));
  await app.listen(config.listen);
  const { tls } = config;
  if (tls) {
    await scope.take(
      "TLS",
      () => listenTls(proxy, (request, response) => app.routing(request, response), tls),
      (server) => server.close(),
    );
  }
  scope.defer("exec streams", () => services.streams.close());
  return app;
}

function urlOf(app: FastifyInstance): string {
  const { address, family, port } = app.server.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}
