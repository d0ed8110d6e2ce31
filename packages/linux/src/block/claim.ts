// Which instance owns which block number on this machine.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { BLOCKS } from "../plan/plan.ts";
import { isAlive, type ProcessIdentity, processIdentity } from "../process/identity.ts";
import { DEFAULT_RUN_DIR } from "../run/host-side.ts";
import { withMachineLock } from "./machine-lock.ts";
import { hasMachines } from "./machines.ts";

export interface ClaimOptions {
  /** The instance's data directory, which must exist. It is what a block belongs to. */
  dataDir: string;
  /** Default: `/run/wrenn`. */
  runDir?: string | undefined;
  /** The process that holds the claim. Default: this one. */
  holder?: ProcessIdentity | undefined;
  /** Whether machines of a block run. Default: {@link hasMachines}. */
  isInUse?: ((block: number) => boolean) | undefined;
}

export interface BlockClaim {
  block: number;
  dataDir: string;
  runDir: string;
  holder: ProcessIdentity;
}

/** What is in `blocks/N`. */
interface Record {
  data_dir: string;
  pid: number;
  start_time: number;
}

/**
 * Claims a block number for a data directory. A claim outlives its holder: what is left of a crashed
 * instance is named after the block, and only the same data directory knows what it was. So
 *
 * - the data directory's own claim is taken over when its holder has ended; when that lives, this
 *   throws `invalid_state`;
 * - another's claim is respected while its holder lives or its data directory exists;
 * - a claim with neither is up for reuse, after the numbers that were never claimed;
 * - no number is given to another data directory while machines of it run, whatever became of its claim.
 *
 * The new holder sweeps before it uses the block ({@link sweepBlock}). `/run` is empty after a boot, as
 * is everything that a claim stands for. Throws `capacity` when all numbers are taken.
 */
export async function claimBlock(options: ClaimOptions): Promise<BlockClaim> {
  const { dataDir, runDir, holder } = claimant(options);
  return withMachineLock(runDir, async () => {
    const isInUse = options.isInUse ?? hasMachines;
    const block = chooseBlock(readClaims(runDir), { dataDir, holder, isInUse });
    writeClaim(runDir, block, { data_dir: dataDir, pid: holder.pid, start_time: holder.startTime });
    return { block, dataDir, runDir, holder };
  });
}

/**
 * Sees to it that a block which was given is claimed for the data directory: by its supervisor, or else by this process, so
 * that nobody else takes it and sweeps it. Returns the claim to give back; undefined when it is another living process's of the
 * same directory. Throws `invalid_state` when it is another directory's, or when this directory's machines run in another block.
 */
export async function holdBlock(block: number, options: ClaimOptions): Promise<BlockClaim | undefined> {
  const { dataDir, runDir, holder } = claimant(options);
  return withMachineLock(runDir, async () => {
    const claims = readClaims(runDir);
    const record = claims.get(block);
    for (const [other, { data_dir }] of claims) {
      if (other === block || data_dir !== dataDir || !(options.isInUse ?? hasMachines)(other)) continue;
      throw new WrennError(
        "invalid_state",
        `machines of ${dataDir} run in block ${other} of this machine; set WRENN_BLOCK to that`,
      );
    }
    const isOurs = record?.data_dir === dataDir;
    if (record && !isOurs && !isAbandoned(record)) {
      throw new WrennError(
        "invalid_state",
        `block ${block} of this machine is that of ${record.data_dir}; set WRENN_BLOCK to another number`,
      );
    }
    if (record && isOurs && isAlive(holderOf(record)) && !isHeldBy(record, holder)) return undefined;
    writeClaim(runDir, block, { data_dir: dataDir, pid: holder.pid, start_time: holder.startTime });
    return { block, dataDir, runDir, holder };
  });
}

function claimant({
  dataDir,
  runDir = DEFAULT_RUN_DIR,
  holder = processIdentity(process.pid),
}: ClaimOptions) {
  if (!holder) throw new WrennError("internal", "the claiming process has no entry in /proc");
  return { dataDir: realpathSync(dataDir), runDir, holder };
}

/**
 * Gives a block number back. Does nothing when the claim is somebody else's by now, or while machines of the block run:
 * whoever claims next sweeps, and only the same data directory can take them over.
 */
export async function releaseBlock(claim: BlockClaim, isInUse = hasMachines): Promise<void> {
  await withMachineLock(claim.runDir, async () => {
    const record = readClaims(claim.runDir).get(claim.block);
    if (record && isHeldBy(record, claim.holder) && !isInUse(claim.block))
      rmSync(claimFile(claim.runDir, claim.block));
  });
}

/** The living process that holds a data directory's block, if there is one. */
export function findBlockHolder(dataDir: string, runDir = DEFAULT_RUN_DIR): ProcessIdentity | undefined {
  if (!existsSync(dataDir)) return undefined;
  const directory = realpathSync(dataDir);
  const record = [...readClaims(runDir).values()].find((claim) => claim.data_dir === directory);
  return record && isAlive(holderOf(record)) ? holderOf(record) : undefined;
}

function chooseBlock(
  claims: Map<number, Record>,
  {
    dataDir,
    holder,
    isInUse,
  }: { dataDir: string; holder: ProcessIdentity; isInUse: (block: number) => boolean },
): number {
  for (const [block, record] of claims) {
    if (record.data_dir !== dataDir) continue;
    if (isAlive(holderOf(record)) && !isHeldBy(record, holder)) {
      throw new WrennError(
        "invalid_state",
        `an instance with the data directory ${dataDir} is running (process ${record.pid})`,
      );
    }
    return block;
  }
  const numbers = Array.from({ length: BLOCKS }, (_, block) => block);
  const block =
    numbers.find((number) => !claims.has(number) && !isInUse(number)) ??
    numbers.find((number) => isAbandoned(claims.get(number)) && !isInUse(number));
  if (block === undefined) {
    throw new WrennError("capacity", `all ${BLOCKS} blocks of this machine are taken; stop an instance`);
  }
  return block;
}

function isAbandoned(record: Record | undefined): boolean {
  return record !== undefined && !isAlive(holderOf(record)) && !existsSync(record.data_dir);
}

function holderOf(record: Record): ProcessIdentity {
  return { pid: record.pid, startTime: record.start_time };
}

function isHeldBy(record: Record, holder: ProcessIdentity): boolean {
  return record.pid === holder.pid && record.start_time === holder.startTime;
}

function claimFile(runDir: string, block: number): string {
  return join(runDir, "blocks", String(block));
}

/** Claims are written whole, so a file that is none of ours is an error and not a free number. */
function readClaims(runDir: string): Map<number, Record> {
  const directory = join(runDir, "blocks");
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const numbers = readdirSync(directory)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return new Map(numbers.map((block) => [block, readClaim(claimFile(runDir, block))]));
}

function readClaim(file: string): Record {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Record;
  } catch (cause) {
    throw new WrennError("internal", `${file} is not a block claim; remove it if no instance uses it`, {
      cause,
    });
  }
}

function writeClaim(runDir: string, block: number, record: Record): void {
  const file = claimFile(runDir, block);
  writeFileSync(`${file}.new`, `${JSON.stringify(record)}\n`, { mode: 0o644 });
  renameSync(`${file}.new`, file);
}
