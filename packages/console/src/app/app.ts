// What the page knows, and the one way in which it does things.
import { type Health, type Sandbox, type Template, WrennApiError, WrennClient } from "@wrenn/sdk";
import { announce } from "../dom/announcer.ts";
import { isMoving } from "../model/abilities.ts";
import { ActivityLog } from "../model/activity.ts";
import { newId } from "../model/new-id.ts";
import { recordingFetch } from "../model/recording-fetch.ts";
import { type Circumstances, Refresher } from "../model/refresh.ts";
import type { Run } from "../model/run.ts";
import { SandboxList } from "../model/sandbox-list.ts";
import { ServerClock } from "../model/server-clock.ts";
import { took } from "../text/format.ts";

/** Sandboxes that a refresh asks for; the newest. */
export const MOST_LISTED = 1000;
/** Runs that are kept for each sandbox. */
const MOST_RUNS = 20;

export interface AppOptions {
  key: string;
  /** Called when something has changed: draws everything that is different. */
  render: () => void;
  /** Called when the service does not take the key. */
  refused: (reason: string) => void;
}

export interface Doing {
  /** What it is done to: an id or a name. */
  subject: string;
  /** `Pausing`. */
  doing: string;
  /** `Paused`. */
  done: string;
}

export class App {
  readonly client: WrennClient;
  readonly log: ActivityLog;
  readonly clock = new ServerClock();
  readonly sandboxes = new SandboxList();
  readonly refresher: Refresher;
  readonly render: () => void;
  templates: Template[] = [];
  health: Health | undefined;
  /** Whether a first list has come. */
  isLoaded = false;
  /** Whether the list was longer than what is shown of it. */
  isCut = false;
  /** Why the last refresh failed. */
  failure: string | undefined;
  updatedAt: number | undefined;
  selected: string | undefined;
  /** What is being done, by subject. */
  readonly busy = new Map<string, string>();
  /** What went wrong last, by subject. */
  readonly problems = new Map<string, string>();
  readonly #runs = new Map<string, Run[]>();
  /** For refreshes, which come again by themselves. */
  readonly #reader: WrennClient;
  readonly #refused: (reason: string) => void;
  #failures = 0;
  #isClosed = false;

  constructor({ key, render, refused }: AppOptions) {
    this.render = render;
    this.#refused = refused;
    this.log = new ActivityLog(render);
    // The service may be mounted below a path of its proxy's: it is where this page is.
    const url = new URL(".", location.href).href;
    const fetch = recordingFetch(this.log, async (input, init) => {
      const response = await globalThis.fetch(input, init);
      this.clock.hear(response.headers);
      return response;
    });
    const options = { url, apiKey: key, fetch: fetch as typeof globalThis.fetch, requestId: newId };
    this.client = new WrennClient(options);
    this.#reader = new WrennClient({ ...options, retries: 0 });
    this.refresher = new Refresher(() => this.#refresh());
  }

  get selectedSandbox(): Sandbox | undefined {
    return this.selected === undefined ? undefined : this.sandboxes.get(this.selected);
  }

  select(id: string | undefined): void {
    this.selected = id;
    history.replaceState(null, "", id === undefined ? location.pathname : `#${id}`);
    this.render();
  }

  runsOf(sandboxId: string): readonly Run[] {
    return this.#runs.get(sandboxId) ?? [];
  }

  addRun(run: Run): void {
    const runs = [run, ...this.runsOf(run.sandboxId)];
    this.#runs.set(
      run.sandboxId,
      runs.filter(({ isOver }, index) => index < MOST_RUNS || !isOver),
    );
    this.render();
  }

  removeRun(run: Run): void {
    this.#runs.set(
      run.sandboxId,
      this.runsOf(run.sandboxId).filter((each) => each !== run),
    );
    this.render();
  }

  /** Runs that have not ended. */
  unfinishedRuns(): Run[] {
    return [...this.#runs.values()].flat().filter(({ isOver }) => !isOver);
  }

  /** Does something that changes something, shows it meanwhile, and looks again. Throws what went wrong. */
  async perform<T>({ subject, doing, done }: Doing, work: () => Promise<T>): Promise<T> {
    const begun = performance.now();
    this.busy.set(subject, doing);
    this.problems.delete(subject);
    this.render();
    try {
      const result = await work();
      announce(`${done} ${subject} in ${took(performance.now() - begun)}.`);
      return result;
    } catch (error) {
      this.#note(error);
      throw error;
    } finally {
      this.busy.delete(subject);
      this.render();
      if (!this.#isClosed) this.refresher.now();
    }
  }

  /** The same for what is done with one press: what goes wrong is shown where the sandbox is. */
  attempt<T>(doing: Doing, work: () => Promise<T>): void {
    this.perform(doing, work).catch((error: unknown) => {
      const text = messageOf(error);
      this.problems.set(doing.subject, text);
      announce(`${doing.doing} ${doing.subject} failed: ${text}`);
      this.render();
    });
  }

  /** Ends everything that the page has under way. */
  close(): void {
    this.#isClosed = true;
    this.refresher.enabled = false;
    for (const run of this.unfinishedRuns()) void run.stop();
  }

  async #refresh(): Promise<Circumstances> {
    const begun = performance.now();
    try {
      await Promise.all([this.#refreshSandboxes(), this.#refreshTemplates(), this.#refreshHealth()]);
      this.failure = undefined;
      this.#failures = 0;
      this.updatedAt = Date.now();
    } catch (error) {
      this.#note(error);
      if (this.failure === undefined) announce("The service does not answer. Trying again.");
      this.failure = messageOf(error);
      this.#failures++;
    }
    if (!this.#isClosed) this.render();
    const moving = this.busy.size > 0 || this.sandboxes.all().some(({ status }) => isMoving(status));
    return { isMoving: moving, failures: this.#failures, tookMs: performance.now() - begun };
  }

  async #refreshSandboxes(): Promise<void> {
    const take = this.sandboxes.beginListing();
    const listed: Sandbox[] = [];
    this.isCut = false;
    for await (const sandbox of this.#reader.sandboxes.list()) {
      if (listed.length === MOST_LISTED) {
        this.isCut = true;
        break;
      }
      listed.push(sandbox);
    }
    take(listed);
    this.isLoaded = true;
  }

  async #refreshTemplates(): Promise<void> {
    this.templates = await Array.fromAsync(this.#reader.snapshots.list());
  }

  /** A service without hosts says so by an error, which says nothing about the lists. */
  async #refreshHealth(): Promise<void> {
    this.health = await this.#reader.health().catch((error: unknown) => {
      if (error instanceof WrennApiError) return undefined;
      throw error;
    });
  }

  #note(error: unknown): void {
    if (!(error instanceof WrennApiError) || error.code !== "unauthorized" || this.#isClosed) return;
    this.#refused("The service does not know this key, or it has been revoked.");
  }
}

/** What went wrong, for people. */
export function messageOf(error: unknown): string {
  if (error instanceof WrennApiError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
