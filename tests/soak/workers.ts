// The programs in a guest that change memory and files all the while, and the question what they hold.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Rpc } from "../faults/agent.ts";

/** Where their files are by default: on the disk. */
const DIR = "/home/user/soak";
const PROGRAM = "/home/user/worker.py";
const CALL_MS = 180_000;
/** A question takes below a second where nothing else wants the processors. */
const EXEC_SEC = 60;

/** What the workers of one sandbox hold at a moment. */
export interface Testimony {
  /** Number that the last question left there; tells apart all moments that were ever asked about. */
  epoch: number;
  /** Of each worker, how many changes it has made; only grows. */
  changes: number[];
  /** Bytes that were compared. */
  memoryBytes: number;
  fileBytes: number;
}

/** A byte is not what was written, or a process is gone. */
export class LostError extends Error {
  override readonly name = "LostError";
}

/** Starts `count` workers, whose files lie in `dir`. */
export async function startWorkers(
  rpc: Rpc,
  id: string,
  { count, seed, dir = DIR }: { count: number; seed: number; dir?: string },
): Promise<void> {
  const content = readFileSync(join(import.meta.dirname, "worker.py"));
  await rpc.writeFile({ sandboxId: id, path: PROGRAM, content }, { timeoutMs: CALL_MS });
  const starts = numbers(count).map(
    (number) => `setsid python3 ${PROGRAM} ${number} ${dir} ${seed + number} >${dir}/log.${number} 2>&1 &`,
  );
  const ready = numbers(count).map((number) => `until [ -p ${dir}/ask.${number} ]; do sleep 0.02; done`);
  await sh(rpc, id, [`mkdir -p ${dir}`, ...starts, ...ready].join("\n"), dir);
}

/**
 * Lets every worker verify every byte that it knows of, then takes them to the next epoch with at least so many pages each.
 * Throws {@link LostError}.
 */
export async function askWorkers(
  rpc: Rpc,
  id: string,
  question: { count: number; epoch: number; pages: number; dir?: string },
): Promise<Testimony> {
  const { count, epoch, pages, dir = DIR } = question;
  // Nothing but builtins of the shell: the caches have just been dropped. Descriptors that can be read and written, so
  // neither side waits for the other to open a FIFO.
  const asks = numbers(count).map(
    (number) => `exec ${number + 3}<>answer.${number}; echo ${epoch} ${pages} >ask.${number}`,
  );
  const reads = numbers(count).map((number) => `read -r line <&${number + 3}; echo "$line"`);
  const script = [`cd ${dir}`, ...asks, ...reads].join("\n");
  const lines = (await sh(rpc, id, script, dir)).trim().split("\n");
  assert.equal(lines.length, count);
  const answers = lines.map(parse);
  const [first] = answers;
  assert.ok(first);
  if (answers.some((answer) => answer.epoch !== first.epoch))
    throw new LostError(`the workers are of different moments: ${lines.join("; ")}`);
  return {
    epoch: first.epoch,
    changes: answers.map((answer) => answer.changes),
    memoryBytes: sum(answers.map((answer) => answer.pages * 4096)),
    fileBytes: sum(answers.map((answer) => answer.bytes * 2)),
  };
}

function parse(line: string): { epoch: number; changes: number; pages: number; bytes: number } {
  const [verdict, ...fields] = line.split(" ");
  if (verdict !== "ok") throw new LostError(line);
  const [epoch = Number.NaN, changes = Number.NaN, pages = Number.NaN, , , bytes = Number.NaN] =
    fields.map(Number);
  assert.ok(
    [epoch, changes, pages, bytes].every((value) => Number.isInteger(value)),
    line,
  );
  return { epoch, changes, pages, bytes };
}

async function sh(rpc: Rpc, sandboxId: string, script: string, dir: string): Promise<string> {
  // Root, who may drop the guest's caches.
  const request = { sandboxId, cmd: "sh", args: ["-c", script], timeoutSec: EXEC_SEC, user: "root" };
  const { exitCode, stdout, stderr, timedOut, signal } = await rpc.exec(request, { timeoutMs: CALL_MS });
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
  if (timedOut) {
    const { stdout: logs } = await rpc.exec({ ...request, args: ["-c", `tail -n 5 ${dir}/log.*`] });
    throw new LostError(`the workers of ${sandboxId} do not answer: ${text(logs)}`);
  }
  assert.ok(exitCode === 0 && signal === "", `${script}: ${exitCode} ${signal} ${text(stderr)}`);
  return text(stdout);
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
