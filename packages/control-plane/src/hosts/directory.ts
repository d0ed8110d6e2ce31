// The hosts: who they are, which of them answer, what they hold.
import { WrennError } from "@wrenn/core";
import type { Db } from "../db/connect.ts";
import { recordHost } from "../db/queries/hosts.ts";
import { recordBaseTemplate } from "../db/queries/templates.ts";
import type { Isolation } from "../db/schema.ts";
import { isPassing } from "../services/store-name.ts";
import { baseTemplate } from "./base-template.ts";
import { openEndpoint, type TlsFiles } from "./endpoint.ts";
import type { Host } from "./host.ts";
import { type CallObserver, HostClient } from "./host-client.ts";

/** How old an answer may be for `fresh()`: spares the hosts a storm of health checks. */
const FRESH_MS = 1_000;

/** The same while a host is away, whose return is waited for. */
const FRESH_WHILE_AWAY_MS = 50;

export interface DirectoryOptions {
  db: Db;
  addresses: readonly string[];
  tls: TlsFiles | undefined;
  observe: CallObserver;
  /** Milliseconds after which a host that has not described itself counts as unreachable. */
  describeMs: number;
  /** Told when a host stops or starts answering. */
  onChange: (address: string, failure: WrennError | undefined) => void;
}

interface Entry {
  client: HostClient;
  host: Host | undefined;
  failure: WrennError | undefined;
}

/** A host's id is its own word; one is known as soon as it has answered once. */
export class HostDirectory {
  readonly #entries: Map<string, Entry>;
  readonly #db: Db;
  readonly #describeMs: number;
  readonly #onChange: DirectoryOptions["onChange"];
  #refreshing: Promise<void> | undefined;
  #refreshedAt = Number.NEGATIVE_INFINITY;

  constructor({ db, addresses, tls, observe, describeMs, onChange }: DirectoryOptions) {
    this.#db = db;
    this.#describeMs = describeMs;
    this.#onChange = onChange;
    this.#entries = new Map(
      addresses.map((address) => {
        const client = new HostClient(openEndpoint(address, tls), observe);
        return [address, { client, host: undefined, failure: undefined }];
      }),
    );
  }

  /** Hosts that answered when they were last asked. */
  reachable(): Host[] {
    return [...this.#entries.values()].filter((entry) => !entry.failure).flatMap((entry) => entry.host ?? []);
  }

  /** Whether every configured host answered when it was last asked. */
  get complete(): boolean {
    return this.reachable().length === this.#entries.size;
  }

  /** The host of that id. Throws `unavailable` when it has not answered since this process started. */
  get(id: string | null): Host {
    for (const { host } of this.#entries.values()) if (host?.id === id) return host as Host;
    throw new WrennError("unavailable", `host ${id} cannot be reached; try again`, { retryAfterSec: 1 });
  }

  /** The reachable hosts as they were at most a second ago. */
  async fresh(): Promise<Host[]> {
    const age = performance.now() - this.#refreshedAt;
    if (age > (this.complete ? FRESH_MS : FRESH_WHILE_AWAY_MS)) await this.refresh();
    return this.reachable();
  }

  /** The longest time that a round of `refresh` takes: what hosts said is not older at its end. */
  get roundMs(): number {
    return this.#describeMs;
  }

  /** Asks every host to describe itself, and records the answers. Calls at the same time share one round. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refreshAll().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  close(): void {
    for (const { client } of this.#entries.values()) client.close();
  }

  async #refreshAll(): Promise<void> {
    await Promise.all([...this.#entries].map(([address, entry]) => this.#refreshOne(address, entry)));
    this.#refreshedAt = performance.now();
  }

  async #refreshOne(address: string, entry: Entry): Promise<void> {
    const before = { known: entry.host !== undefined, failure: entry.failure };
    try {
      const host = await this.#describe(address, entry);
      // Once more: both may have answered for the first time at once.
      this.#assertAlone(host);
      entry.host = host;
      entry.failure = undefined;
    } catch (reason) {
      entry.failure = WrennError.from(reason, `describing host ${address} failed`);
    }
    if (!before.known || !before.failure !== !entry.failure) this.#onChange(address, entry.failure);
  }

  /** One of two hosts with one id would be told to end what the other one has. Throws `unavailable` for the second. */
  #assertAlone({ id, address }: Pick<Host, "id" | "address">): void {
    for (const [other, { host, failure }] of this.#entries) {
      // What does not answer there any more may have moved here.
      if (other === address || failure || host?.id !== id) continue;
      throw new WrennError(
        "unavailable",
        `the hosts ${other} and ${address} both have the id ${id}: one directory at two addresses, or a copy of one, whose host-id has to be removed before it has sandboxes of its own`,
      );
    }
  }

  async #describe(address: string, { client }: Entry): Promise<Host> {
    const context = {
      attempted: `describing host ${address}`,
      requestId: "refresh",
      timeoutMs: this.#describeMs,
    };
    const [facts, { templates }] = await Promise.all([
      client.call("getHost", {}, context),
      client.call("listTemplates", {}, context),
    ]);
    this.#assertAlone({ id: facts.hostId, address });
    const isolation: Isolation = facts.isolation === "kvm" ? "kvm" : "tcg";
    const row = {
      id: facts.hostId,
      address,
      isolation,
      cpus: facts.cpus,
      memory_bytes: Number(facts.memoryBytes),
      memory_free_bytes: Number(facts.memoryFreeBytes),
      sandboxes: facts.sandboxes,
      max_sandboxes: facts.maxSandboxes,
      version: facts.version,
      vmm: facts.vmm,
    };
    await recordHost(this.#db, row);
    for (const template of templates) {
      if (template.type === "base" && !isPassing(template.name))
        await recordBaseTemplate(this.#db, baseTemplate(template));
    }
    return {
      id: facts.hostId,
      address,
      client,
      isolation,
      sandboxes: facts.sandboxes,
      maxSandboxes: facts.maxSandboxes,
      templates: new Set(templates.map(({ name }) => name)),
      snapshots: new Set(templates.filter(({ type }) => type === "snapshot").map(({ name }) => name)),
      passing: new Set(templates.map(({ name }) => name).filter(isPassing)),
      madeAt: new Map(templates.map(({ name, createdAtUnix }) => [name, Number(createdAtUnix)])),
    };
  }
}
