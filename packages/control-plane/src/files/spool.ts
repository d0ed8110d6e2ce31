// A file of its own on disk for bytes whose destination is not known yet.
import { type FileHandle, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const READ_BYTES = 64 * 1024;

/** Has no name from the start, so it goes with the process at the latest. */
export class Spool {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(): Promise<Spool> {
    const dir = await mkdtemp(join(tmpdir(), "wrenn-upload-"));
    try {
      return new Spool(await open(join(dir, "file"), "wx+", 0o600));
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }

  async write(chunk: Buffer): Promise<void> {
    await this.#file.appendFile(chunk);
  }

  /** All bytes from the first one. */
  async *read(): AsyncGenerator<Buffer> {
    for (let position = 0; ; ) {
      const { buffer, bytesRead } = await this.#file.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
