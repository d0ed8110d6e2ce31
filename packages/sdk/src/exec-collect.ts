// A long command's whole result, over the stream: an HTTP client gives up on an answer after 5 minutes.
import type { ExecRequest, ExecResponse } from "@wrenn/api";
import { toBase64 } from "./base64.ts";
import type { ExecStream } from "./exec-stream.ts";

/** As much of each stream as is kept; the service's own bound for a captured exec. */
const CAPTURE_BYTES = 10 * 1024 * 1024;

/** Runs a stream to its end and answers as the plain exec does. */
export async function collectExec(
  sandboxId: string,
  { cmd, stdin }: ExecRequest,
  stream: ExecStream,
): Promise<ExecResponse> {
  const begun = performance.now();
  const captured = { stdout: new Capture(), stderr: new Capture() };
  const read = async () => {
    for await (const { type, data } of stream) captured[type].add(data);
  };
  const feed = async () => {
    if (stdin !== undefined) await stream.writeStdin(stdin);
    await stream.closeStdin();
  };
  const feeding = feed().catch(() => undefined); // a command need not read its input; its end tells
  await read();
  const exit = await stream.wait();
  await feeding;
  const { stdout, stderr } = captured;
  return {
    sandbox_id: sandboxId,
    cmd,
    ...encode(stdout.bytes(), stderr.bytes()),
    exit_code: exit.exitCode,
    duration_ms: performance.now() - begun,
    ...(exit.timedOut !== undefined && { timed_out: exit.timedOut }),
    ...(exit.signal !== undefined && { signal: exit.signal }),
    ...((stdout.truncated || stderr.truncated) && { truncated: true }),
  };
}

class Capture {
  truncated = false;
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  add(chunk: Uint8Array): void {
    const room = CAPTURE_BYTES - this.#length;
    if (chunk.length > room) this.truncated = true;
    const kept = chunk.subarray(0, room);
    this.#chunks.push(kept);
    this.#length += kept.length;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const whole = new Uint8Array(this.#length);
    let offset = 0;
    for (const chunk of this.#chunks) {
      whole.set(chunk, offset);
      offset += chunk.length;
    }
    return whole;
  }
}

function encode(
  stdout: Uint8Array,
  stderr: Uint8Array,
): Pick<ExecResponse, "stdout" | "stderr" | "encoding"> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  try {
    return { stdout: decoder.decode(stdout), stderr: decoder.decode(stderr), encoding: "utf-8" };
  } catch {
    return { stdout: toBase64(stdout), stderr: toBase64(stderr), encoding: "base64" };
  }
}
