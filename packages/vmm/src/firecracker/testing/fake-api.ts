// Firecracker's API without a virtual machine behind it: the schemas, and the states in which each call is allowed.
import { Compile, type Validator } from "typebox/compile";
import { OPERATIONS, type Operation } from "../api/operations.ts";

export type State = "Not started" | "Running" | "Paused";

export interface Answer {
  status: number;
  body?: unknown;
}

/** What a call does besides changing the state. Throws with the text of a refusal. */
export interface Effects {
  /** A file that a call names has to be there. */
  assertFile(path: string): void;
  boot(memoryMb: number, tracked: boolean): void;
  load(body: {
    snapshot_path: string;
    backend: { type: string; path: string };
    tracked: boolean;
  }): Promise<void>;
  save(body: { snapshot_path: string; mem_file_path: string; full: boolean }): void;
  resumed(): void;
}

interface Known {
  name: string;
  operation: Operation;
  pattern: RegExp;
  body: Validator | undefined;
}

const KNOWN: Known[] = Object.entries(OPERATIONS).map(([name, operation]: [string, Operation]) => ({
  name,
  operation,
  pattern: new RegExp(`^${operation.path.replace("{id}", "(?<id>[A-Za-z0-9_]+)")}$`),
  body: operation.body && Compile(operation.body),
}));

/** Names of a device in its body; it has to be the one in the path. */
const ID_FIELDS = ["drive_id", "iface_id"];

type Body = Record<string, unknown>;

export class FakeApi {
  state: State = "Not started";
  readonly #effects: Effects;
  readonly #id: string;
  /** Something of a machine to boot has been described: a saved one cannot be loaded any more. */
  #described = false;
  #kernel: string | undefined;
  #machine = { memoryMb: 128, tracked: false };
  readonly #devices = new Set<string>();
  /** A load that fails is the end. */
  broken = false;

  constructor(id: string, effects: Effects) {
    this.#id = id;
    this.#effects = effects;
  }

  /** The name of the operation, undefined for none. */
  static nameOf(method: string, path: string): string | undefined {
    return KNOWN.find(({ operation, pattern }) => operation.method === method && pattern.test(path))?.name;
  }

  async handle(method: string, path: string, text: string): Promise<Answer> {
    try {
      return await this.#handle(method, path, text);
    } catch (reason) {
      return { status: 400, body: { fault_message: (reason as Error).message } };
    }
  }

  async #handle(method: string, path: string, text: string): Promise<Answer> {
    const known = KNOWN.find(({ operation, pattern }) => operation.method === method && pattern.test(path));
    if (!known) throw new Error(`Invalid request method and/or path: ${method} ${path}.`);
    const { name, operation } = known;
    const id = known.pattern.exec(path)?.groups?.["id"];
    const body = bodyOf(known, text, id);
    const started = this.state !== "Not started";
    if (operation.when === "before" && started) throw new Error("not supported after starting the microVM");
    if (operation.when === "after" && !started) throw new Error("not supported before starting the microVM");
    return (await this.#carryOut(name, body, id)) ?? { status: 204 };
  }

  async #carryOut(name: string, body: Body, id = ""): Promise<Answer | undefined> {
    switch (name) {
      case "describe": {
        const info = { app_name: "Firecracker", id: this.#id, state: this.state, vmm_version: "1.16.1" };
        return { status: 200, body: info };
      }
      case "machine":
        this.#machine = {
          memoryMb: body["mem_size_mib"] as number,
          tracked: body["track_dirty_pages"] === true,
        };
        break;
      case "bootSource":
        this.#kernel = body["kernel_image_path"] as string;
        this.#effects.assertFile(this.#kernel);
        this.#effects.assertFile(body["initrd_path"] as string);
        break;
      case "drive":
        this.#effects.assertFile(body["path_on_host"] as string);
        this.#devices.add(id);
        break;
      case "network":
        this.#devices.add(id);
        break;
      case "entropy":
        break;
      case "updateDrive":
      case "updateNetwork":
        if (!this.#devices.has(id)) throw new Error(`there is no device ${id}`);
        return undefined;
      case "action":
        return this.#start(body["action_type"] as string);
      case "loadSnapshot":
        return await this.#load(body);
      case "vm":
        return this.#pauseOrResume(body["state"] as string);
      case "createSnapshot":
        return this.#save(body);
    }
    this.#described = true;
    return undefined;
  }

  #start(action: string): undefined {
    if (action !== "InstanceStart") throw new Error(`${action} is not supported here`);
    if (this.#kernel === undefined) throw new Error("Cannot start microvm without kernel configuration.");
    this.#effects.boot(this.#machine.memoryMb, this.#machine.tracked);
    this.state = "Running";
  }

  async #load(body: Body): Promise<undefined> {
    if (this.#described) throw new Error("loading is not allowed after configuring boot-specific resources");
    try {
      const backend = body["mem_backend"] as { backend_type: string; backend_path: string };
      this.#machine.tracked = body["track_dirty_pages"] === true;
      await this.#effects.load({
        snapshot_path: body["snapshot_path"] as string,
        backend: { type: backend.backend_type, path: backend.backend_path },
        tracked: this.#machine.tracked,
      });
    } catch (reason) {
      this.broken = true;
      throw reason;
    }
    for (const device of ["root", "agent", "eth0"]) this.#devices.add(device);
    this.state = body["resume_vm"] === true ? "Running" : "Paused";
  }

  #pauseOrResume(state: string): undefined {
    if (state === "Resumed" && this.state === "Paused") this.#effects.resumed();
    this.state = state === "Paused" ? "Paused" : "Running";
  }

  #save(body: Body): undefined {
    if (this.state !== "Paused") throw new Error("the microVM must be paused to be saved");
    this.#effects.save({
      snapshot_path: body["snapshot_path"] as string,
      mem_file_path: body["mem_file_path"] as string,
      full: body["snapshot_type"] !== "Diff",
    });
  }
}

/** The body, checked. Throws with what is wrong with it. */
function bodyOf({ name, body: validator }: Known, text: string, id: string | undefined): Body {
  if (!validator) {
    if (text !== "") throw new Error("GET request cannot have a body.");
    return {};
  }
  const body: unknown = JSON.parse(text);
  if (!validator.Check(body)) {
    const [first] = validator.Errors(body);
    throw new Error(`${name}: ${first?.instancePath || "/"} ${first?.message}`);
  }
  const fields = body as Body;
  const named = ID_FIELDS.map((field) => fields[field]).find((value) => value !== undefined);
  if (id !== undefined && named !== id)
    throw new Error("The id from the path does not match that of the body!");
  return fields;
}
