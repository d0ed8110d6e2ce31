// Standard input on its way to a process: in order, one message at a time, with a bound.

/** Bytes that may wait before the client is held back. */
const HIGH_WATER_BYTES = 1024 * 1024;

/** What a message costs beside its content, so that empty ones have a bound as well. */
const ITEM_BYTES = 256;

interface Item {
  bytes: number;
  deliver: () => Promise<void>;
}

export interface InputLaneOptions {
  /** Stop and go on reading from the client. */
  pause: () => void;
  resume: () => void;
  /** Told of the first delivery that failed; nothing is delivered after it. */
  onError: (reason: unknown) => void;
}

export class InputLane {
  readonly #options: InputLaneOptions;
  readonly #items: Item[] = [];
  #waiting = 0;
  #open = false;
  #running = false;

  constructor(options: InputLaneOptions) {
    this.#options = options;
  }

  /** Begins to deliver: the process is there. What came before it waits until then. */
  start(): void {
    this.#open = true;
    this.#run();
  }

  push(item: Item): void {
    this.#items.push(item);
    this.#waiting += item.bytes + ITEM_BYTES;
    if (this.#waiting > HIGH_WATER_BYTES) this.#options.pause();
    this.#run();
  }

  #run(): void {
    if (!this.#running && this.#open) void this.#drain();
  }

  /** Never rejects. What is pushed when the last item has been delivered finds the lane idle at once. */
  async #drain(): Promise<void> {
    this.#running = true;
    try {
      for (let item = this.#items.shift(); item; item = this.#items.shift()) {
        await item.deliver();
        this.#waiting -= item.bytes + ITEM_BYTES;
        if (this.#waiting <= HIGH_WATER_BYTES) this.#options.resume();
      }
    } catch (reason) {
      this.#open = false;
      this.#options.onError(reason);
    } finally {
      this.#running = false;
    }
  }
}
