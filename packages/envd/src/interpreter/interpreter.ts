// The code interpreter: the service on a port of its own that runs code for its clients, in a template that has one.
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import type { Log } from "../agent/log.ts";
import type { AgentState } from "../agent/state.ts";
import { workingDirectory } from "../filesystem/paths.ts";
import { errorResponse } from "../http/errors.ts";
import { TOKEN_HEADER } from "../http/gate.ts";
import { readJson } from "../http/read-json.ts";
import { randomHex } from "../platform/random.ts";
import type { Attachments } from "../streams/attachments.ts";
import type { OpenStreams } from "../streams/open-streams.ts";
import type { User } from "../users/user-directory.ts";
import { Contexts } from "./contexts.ts";
import { ForkServer, type Launched } from "./fork-server.ts";
import { Kernel, type Kill, type Life } from "./kernel.ts";
import { type Language, parseContext, parseExecute } from "./request.ts";
import type { InterpreterSettings } from "./settings.ts";
import { answerWith } from "./stream.ts";

/** A body with code and variables. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;

/** The program that kernels are forked from, below the directory of kernels. */
const PROGRAM = "main.py";

export interface InterpreterOptions {
  settings: InterpreterSettings;
  state: AgentState;
  /** Whom code runs as. */
  user: () => User;
  attachments: Attachments;
  streams: OpenStreams;
  stallMs: number;
  log: Log;
  /** Directory of the kernels' programs. */
  kernels: string;
  socketPath: string;
  /** Starts a program as the user, with an environment of the user's. */
  launch: (command: readonly string[], user: User) => Launched;
  /** Takes a kernel into the agent's keeping. */
  keep: (pid: number) => Kill;
}

type Answer = Response | Promise<Response>;

export class Interpreter {
  /** Resolves when Python code can run at once. Rejects when it cannot at all. */
  readonly settled: Promise<void>;
  readonly #options: InterpreterOptions;
  readonly #forks: ForkServer;
  readonly #contexts: Contexts;
  #isUp = false;
  #failure: unknown;

  constructor(options: InterpreterOptions) {
    const { settings, kernels, socketPath, launch, user, stallMs, log } = options;
    this.#options = options;
    this.#forks = new ForkServer({
      socketPath,
      modules: settings.preload,
      // -B: the drive of the programs is read-only. -u, so that what is printed is printed.
      launch: (args) => launch(["python3", "-B", "-u", join(kernels, PROGRAM), ...args], user()),
    });
    this.#contexts = new Contexts({ stallMs, begin: (language, cwd) => this.#begin(language, cwd) });
    this.settled = this.#usual("python").ready();
    this.settled.catch((reason: unknown) => {
      this.#failure = reason;
      log.write("error", "no code interpreter", { cause: String(reason) });
    });
  }

  /** Tells every kernel that the guest is another copy from here on: randomness and environment of its own. */
  renew(): void {
    this.#contexts.renew(() => this.#life());
  }

  async close(): Promise<void> {
    await this.#contexts.close();
    this.#forks.close();
  }

  /** Answers a request to the port. Never throws. */
  async handle(request: Request): Promise<Response> {
    try {
      return await this.#route(request);
    } catch (reason) {
      const error = WrennError.from(reason, "internal error of the code interpreter");
      if (error.code === "internal")
        this.#options.log.write("error", "code interpreter", { cause: String(error.cause ?? error.message) });
      return errorResponse(error);
    }
  }

  #route(request: Request): Answer {
    const path = new URL(request.url).pathname;
    const [, collection, id, action] =
      /^\/(execute|contexts|health)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(path) ?? [];
    const asked = [request.method, collection, ...(id === undefined ? [] : ["ID"]), action ?? ""]
      .join(" ")
      .trim();
    switch (asked) {
      case "GET health":
        return this.#health();
      case "POST execute":
        return this.#execute(request);
      case "POST contexts":
        return this.#createContext(request);
      case "GET contexts":
        return Response.json(this.#contexts.list().map(view));
      case "DELETE contexts ID":
        return noContent(this.#contexts.remove(id ?? ""));
      case "POST contexts ID restart":
        return noContent(this.#contexts.get(id ?? "").restart());
      case "POST contexts ID interrupt":
        this.#contexts.get(id ?? "").interrupt();
        return new Response(null, { status: 204 });
      default:
        throw new WrennError("not_found", `no route ${request.method} ${path.slice(0, 200)}`);
    }
  }

  #health(): Response {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isUp) return Response.json("OK");
    throw new WrennError("unavailable", "the code interpreter is being started", { retryAfterSec: 1 });
  }

  /** Clients send the sandbox's token with code alone. */
  async #execute(request: Request): Promise<Response> {
    const { state, attachments, streams } = this.#options;
    if (!state.isToken(request.headers.get(TOKEN_HEADER))) {
      throw new WrennError("unauthorized", `${TOKEN_HEADER} is missing or wrong`);
    }
    const { code, contextId, language, envs } = parseExecute(
      await readJson(request, "/execute", MAX_BODY_BYTES),
    );
    const context = contextId === undefined ? this.#usual(language) : this.#contexts.get(contextId);
    return answerWith(context.execute(code, envs), context, { attachments, streams });
  }

  async #createContext(request: Request): Promise<Response> {
    const { language, cwd } = parseContext(await readJson(request, "/contexts"));
    const context = await this.#contexts.create(language, this.#directory(cwd));
    return Response.json(view(context), { status: 200 });
  }

  #usual(language: Language) {
    return this.#contexts.usual(language, this.#directory(undefined));
  }

  #directory(cwd: string | undefined): string {
    const { user, state } = this.#options;
    return workingDirectory(cwd, user(), state.defaultWorkdir);
  }

  async #begin(language: Language, cwd: string): Promise<Kernel> {
    const connection = await this.#forks.fork(language);
    const kernel = new Kernel(connection, this.#options.keep(connection.pid));
    try {
      await kernel.begin(cwd, this.#life());
      this.#isUp = true;
      this.#failure = undefined;
      return kernel;
    } catch (reason) {
      kernel.end();
      throw reason;
    }
  }

  #life(): Life {
    return { envs: this.#options.state.envs, seed: randomHex(32) };
  }
}

function view({ id, language, cwd }: { id: string; language: Language; cwd: string }) {
  return { id, language, cwd };
}

async function noContent(work: Promise<void>): Promise<Response> {
  await work;
  return new Response(null, { status: 204 });
}
