import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { it } from "node:test";

const MODULE = JSON.stringify(join(import.meta.dirname, "told-to-end.ts"));

/** Runs a program until it says that it is ready, sends it signals, and returns how it ended and what it said. */
async function tell(program: string, signals: readonly NodeJS.Signals[]) {
  const args = ["--input-type=module", "-e", `import { whenToldToEnd } from ${MODULE};\n${program}`];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let [said, complaints] = ["", ""];
  child.stdout.on("data", (chunk) => {
    said += chunk;
  });
  child.stderr.on("data", (chunk) => {
    complaints += chunk;
  });
  const closed = once(child, "close");
  await once(child.stdout, "data");
  for (const signal of signals) child.kill(signal);
  const [status] = await closed;
  return { status, said: said.split("\n").filter(Boolean), complaints };
}

const PROGRAM = `
const say = (text) => async () => { await new Promise((resolve) => setTimeout(resolve, 20)); console.log(text); };
whenToldToEnd(say("first"));
const forget = whenToldToEnd(say("forgotten"));
whenToldToEnd(async () => { throw new Error("cannot be given back"); });
whenToldToEnd(say("last"));
forget();
console.log("ready");
setTimeout(() => {}, 60_000);
`;

it("what was taken last is given back first, once, also when something cannot be given back", async () => {
  const { status, said, complaints } = await tell(PROGRAM, ["SIGTERM", "SIGTERM"]);
  assert.deepEqual([status, said], [143, ["ready", "last", "first"]]);
  assert.match(complaints, /cannot be given back/);
  assert.equal((await tell(PROGRAM, ["SIGINT"])).status, 130);
});

it("a process with its own way of ending keeps it", async () => {
  const own = `process.on("SIGTERM", () => { console.log("own"); process.exit(7); });\n${PROGRAM}`;
  assert.deepEqual(await tell(own, ["SIGTERM"]), { status: 7, said: ["ready", "own"], complaints: "" });
});
