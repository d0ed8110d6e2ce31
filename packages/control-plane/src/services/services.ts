// All services of one control plane, as the routes use them.
import type { ExecStreams } from "../exec/streams.ts";
import type { HostDirectory } from "../hosts/directory.ts";
import type { AccessService } from "./access.ts";
import type { Activity } from "./activity.ts";
import type { BuildService } from "./builds.ts";
import type { ExecContext } from "./exec.ts";
import type { GuestMetricsService } from "./guest-metrics.ts";
import type { HealthService } from "./health.ts";
import type { InFlight } from "./in-flight.ts";
import type { KeyService } from "./keys.ts";
import type { Metrics } from "./metrics.ts";
import type { RecentSandboxes } from "./recent-sandboxes.ts";
import type { SandboxLogService } from "./sandbox-log/sandbox-log.ts";
import type { SandboxService } from "./sandboxes.ts";
import type { SnapshotService } from "./snapshots.ts";
import type { StepBuildService } from "./step-build/step-builds.ts";
import type { Uploads } from "./step-build/uploads.ts";
import type { StorageService } from "./storage.ts";
import type { TemplateService } from "./templates.ts";
import type { TicketService } from "./tickets.ts";
import type { TrafficService } from "./traffic.ts";

export interface Services {
  version: string;
  /** Domain below which clients find sandboxes by host name. */
  domain: string | undefined;
  stallMs: number;
  hosts: HostDirectory;
  activity: Activity;
  keys: KeyService;
  sandboxes: SandboxService;
  recent: RecentSandboxes;
  exec: ExecContext;
  streams: ExecStreams;
  tickets: TicketService;
  traffic: TrafficService;
  access: AccessService;
  guestMetrics: GuestMetricsService;
  logs: SandboxLogService;
  inFlight: InFlight;
  templates: TemplateService;
  snapshots: SnapshotService;
  storage: StorageService;
  builds: BuildService;
  stepBuilds: StepBuildService;
  uploads: Uploads;
  health: HealthService;
  metrics: Metrics;
}
