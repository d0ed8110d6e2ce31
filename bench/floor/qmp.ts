// QMP over a socket that QEMU has inherited: no path, no connecting, no waiting. Imports nothing of the platform.
import type { Socket } from "node:net";

interface Message {
  QMP?: unknown;
  event?: string;
  data?: Record<string, unknown>;
  return?: unknown;
  error?: { desc: string };
}

export class Qmp {
  readonly #socket: Socket;
  readonly #greeted = Promise.withResolvers<void>();
  readonly #answers: PromiseWithResolvers<unknown>[] = [];
  readonly #listeners = new Set<(message: Message) => void>();
  #rest = "";

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("utf8").on("data", (text: string) => this.#receive(text));
    socket.on("error", () => {});
    socket.on("close", () => {
      const reason = new Error("QEMU has closed its control socket");
      this.#greeted.reject(reason);
      for (const answer of this.#answers.splice(0)) answer.reject(reason);
    });
  }

  async negotiate(): Promise<void> {
    await this.#greeted.promise;
    await this.execute("qmp_capabilities");
  }

  /** QEMU answers in order. */
  execute<T>(command: string, args?: object): Promise<T> {
    const answer = Promise.withResolvers<unknown>();
    this.#answers.push(answer);
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    return answer.promise as Promise<T>;
  }

  /** Loads processors and devices from a descriptor of QEMU's. */
  async load(fd: number): Promise<void> {
    await this.execute("migrate-set-capabilities", {
      capabilities: [{ capability: "events", state: true }],
    });
    const loaded = Promise.withResolvers<void>();
    const look = ({ event, data }: Message) => {
      if (event !== "MIGRATION") return;
      if (data?.["status"] === "completed") loaded.resolve();
      if (data?.["status"] === "failed") loaded.reject(new Error("QEMU could not load the saved state"));
    };
    this.#listeners.add(look);
    await this.execute("migrate-incoming", { uri: `fd:${fd}` });
    await loaded.promise;
    this.#listeners.delete(look);
  }

  #receive(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines.filter((each) => each.trim() !== "")) {
      const message = JSON.parse(line) as Message;
      if (message.QMP) this.#greeted.resolve();
      else if (message.event) for (const listener of this.#listeners) listener(message);
      else if (message.error) this.#answers.shift()?.reject(new Error(message.error.desc));
      else this.#answers.shift()?.resolve(message.return);
    }
  }
}
