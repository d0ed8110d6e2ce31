// `./wrenn soak`: pauses and resumes a sandbox under load and verifies every byte; see soak.ts.
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { newAgent } from "../faults/agent.ts";
import { describe } from "./counts.ts";
import { Soak } from "./soak.ts";
import { LostError } from "./workers.ts";

const USAGE = `usage: ./wrenn soak [--cycles N] [--minutes N] [--vcpus 1|2] [--seed N] [--json]

Pauses and resumes a sandbox in which programs change memory and files all the while, with forks, named snapshots and
restores in between, and kills the host agent at random. After each of them every byte of memory and files is verified.
Ctrl-C ends it; nothing is left on the machine in any case.
  --cycles N    pauses and resumes (default 100)
  --minutes N   begin no cycle after that time (default: 12 s for each cycle, 60 minutes at least)
  --vcpus N     processors of the sandbox, and programs in it (default 2)
  --seed N      repeat the choices of an earlier run
  --json        the result as JSON on stdout; the lines go to stderr
`;

/** A line of progress at most this often, ms. */
const PROGRESS_MS = 10_000;

const { values } = parseArgs({
  options: {
    cycles: { type: "string", default: "100" },
    minutes: { type: "string" },
    vcpus: { type: "string", default: "2" },
    seed: { type: "string", default: String(randomInt(2 ** 31)) },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (values.help) process.stdout.write(USAGE);
else process.exitCode = await main();

async function main(): Promise<number> {
  const bounds = { cycles: [1, 1e6], minutes: [1, 10_000], vcpus: [1, 2], seed: [0, 2 ** 32 - 1] } as const;
  const numbers = { cycles: 0, minutes: 0, vcpus: 0, seed: 0 };
  for (const name of ["cycles", "minutes", "vcpus", "seed"] as const) {
    const [min, max] = bounds[name];
    const given = values[name] ?? Math.max(60, Math.ceil(numbers.cycles / 5));
    numbers[name] = Number(given);
    if (Number.isInteger(numbers[name]) && numbers[name] >= min && numbers[name] <= max) continue;
    process.stderr.write(`--${name} must be a whole number from ${min} to ${max}, not ${given}\n`);
    return 2;
  }
  const { cycles, minutes, seed } = numbers;
  const vcpus = numbers.vcpus === 1 ? 1 : 2;
  const say = (line: string) => (values.json ? process.stderr : process.stdout).write(`soak: ${line}\n`);
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupted.abort());

  const began = performance.now();
  say(`seed ${seed}, ${vcpus} processors, up to ${cycles} cycles or ${minutes} minutes`);
  await using agent = await newAgent();
  await agent.start();
  let said = 0;
  const soak = new Soak({
    agent,
    seed,
    cycles,
    vcpus,
    signal: AbortSignal.any([interrupted.signal, AbortSignal.timeout(minutes * 60_000)]),
    onCycle: ({ counts }) => {
      if (performance.now() - said < PROGRESS_MS) return;
      said = performance.now();
      say(describe(counts));
    },
  });
  let failure: unknown;
  try {
    await soak.run();
  } catch (reason) {
    // Ctrl-C in a terminal reaches the host agent as well.
    if (!interrupted.signal.aborted) failure = reason;
  }
  const seconds = Math.round((performance.now() - began) / 1000);
  const whole = soak.counts.cycles === cycles;
  const verdict = failure ? `FAILED: ${failure}` : whole ? "nothing lost" : "ended early, nothing lost";
  if (failure && !(failure instanceof LostError)) say(`the host agent's log ends with:\n${agent.log()}`);
  say(describe(soak.counts));
  say(`${verdict} (seed ${seed}, ${seconds} s)`);
  if (values.json) {
    const result = { ...soak.counts, seed, vcpus, seconds, failure: failure ? String(failure) : null };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
  return failure ? 1 : interrupted.signal.aborted ? 130 : 0;
}
