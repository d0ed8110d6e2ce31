// From one pipe of a process to its readers, with an end that does not depend on who else holds the pipe.

/** Bytes of one event (the chunk size that clients of the protocol are used to). */
export const CHUNK_BYTES = 32 * 1024;

/** What is still taken from a pipe that others write to for ever, once the process's grace is over. */
const LATE_BYTES = 1024 * 1024;

/** The readable side of a pipe or a terminal. */
export interface OutputSource {
  /** The next bytes, or `undefined` at the end. */
  read(): Promise<Uint8Array | undefined>;
  /** Bytes that are there now, or `undefined`. */
  drain(): Uint8Array | undefined;
  close(): void;
}

/** Takes a round of output; resolves when there is room for the next. */
export type Publish = (chunks: Uint8Array[]) => Promise<void>;

/**
 * Reads until the end of the pipe, or until told that the process has been gone for long enough ({@link hurry}):
 * from then on it ends at the first moment at which nothing is there to be read, or after LATE_BYTES.
 *
 * A background child may hold the pipe open for ever, and may depend on it: after its end the pump therefore
 * goes on reading, and drops what comes (`keep`), unless the source is to be closed.
 */
export class OutputPump {
  readonly #source: OutputSource;
  readonly #publish: Publish;
  readonly #keep: boolean;
  readonly #finished = Promise.withResolvers<void>();
  #state: "pumping" | "hurrying" | "finished" = "pumping";
  #reading = false;
  #reads = 0;
  #late = 0;

  constructor(source: OutputSource, publish: Publish, keep: boolean) {
    this.#source = source;
    this.#publish = publish;
    this.#keep = keep;
  }

  /** Resolves when everything that belongs to the process has been published. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /** Reads until the end. Call once. */
  async run(): Promise<void> {
    for (let chunk = await this.#read(); chunk !== undefined; chunk = await this.#read()) {
      if (this.#state === "finished") continue;
      await this.#publish(split(chunk));
      if (this.#state !== "hurrying") continue;
      this.#late += chunk.length;
      if (this.#late >= LATE_BYTES) this.#finish();
    }
    this.#finish();
    this.#source.close();
  }

  /** The process is gone and had its grace: ends as soon as nothing more is there. */
  hurry(): void {
    if (this.#state !== "pumping") return;
    this.#state = "hurrying";
    this.#takeRestIfIdle();
  }

  async #read(): Promise<Uint8Array | undefined> {
    this.#reading = true;
    this.#reads++;
    const chunk = this.#source.read();
    if (this.#state === "hurrying") {
      // What is there already is delivered within this turn of the event loop.
      const number = this.#reads;
      setImmediate(() => {
        if (number === this.#reads) this.#takeRestIfIdle();
      });
    }
    const bytes = await chunk;
    this.#reading = false;
    return bytes;
  }

  #takeRestIfIdle(): void {
    if (!this.#reading || this.#state !== "hurrying") return;
    const rest: Uint8Array[] = [];
    for (let bytes = this.#source.drain(); bytes !== undefined; bytes = this.#source.drain()) {
      rest.push(...split(bytes));
      this.#late += bytes.length;
      if (this.#late >= LATE_BYTES) break;
    }
    this.#state = "finished";
    void this.#publish(rest).then(() => this.#finish());
  }

  #finish(): void {
    this.#state = "finished";
    this.#finished.resolve();
    if (!this.#keep) this.#source.close();
  }
}

/** Pieces of at most CHUNK_BYTES; no bytes are copied. */
function split(bytes: Uint8Array): Uint8Array[] {
  if (bytes.length <= CHUNK_BYTES) return [bytes];
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) pieces.push(bytes.subarray(at, at + CHUNK_BYTES));
  return pieces;
}
