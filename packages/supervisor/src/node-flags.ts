// How Node runs the daemons.

/**
 * A young generation of at most 3 x 4 MiB instead of 3 x 16, which the buffers of a transfer would fill at once. Smaller
 * ones, and `--optimize-for-size`, spend several times as long on collecting: 0.3 ms of every call. `--expose-gc` is for
 * `@wrenn/rpc/bulk`.
 */
const HEAP_FLAGS = ["--max-semi-space-size=4", "--expose-gc"];

/**
 * Functions are optimised after some 100 calls instead of 500: a daemon answers few calls, and each should be short
 * (decision 0013). Counts of 30 and 60 took 20 MiB more.
 */
const COMPILER_FLAGS = ["--minimum-invocations-after-ic-update=100", "--invocation-count-for-maglev=100"];

/** All of them. Compiled code is kept by flags: who shares a daemon's code cache needs the same ones. */
export const NODE_FLAGS: readonly string[] = [...HEAP_FLAGS, ...COMPILER_FLAGS];

/**
 * Environment of all processes that stay. glibc has up to eight arenas for each processor, and what a thread has freed stays
 * in its own: with two the idle platform takes 17 MiB less (253 and 235, means of four starts each in turns).
 */
export const MALLOC_SETTINGS: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: "2" };
