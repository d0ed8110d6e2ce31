// For developers: builds everything that a guest boots from and prints where it is, as JSON.
//   node packages/template/src/main.ts --cache DIR [--recipe FILE]
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { type PrepareGuestOptions, prepareGuest } from "./guest/guest.ts";
import type { BuildStep } from "./progress.ts";
import { builtinRecipe } from "./recipe/builtin.ts";
import { parseRecipe } from "./recipe/parse.ts";
import { buildRootfs } from "./rootfs/rootfs.ts";

/** The agent's package is not among this package's imports: who prepares a guest brings it. */
const ENVD = new URL("../../envd/src/index.ts", import.meta.url);

const { values } = parseArgs({ options: { cache: { type: "string" }, recipe: { type: "string" } } });
if (values.cache === undefined) {
  console.error("usage: main.ts --cache DIR [--recipe FILE]");
  process.exit(2);
}
const options = { cacheDir: values.cache, onStep };
const recipe =
  values.recipe === undefined ? builtinRecipe("minimal") : parseRecipe(await readFile(values.recipe, "utf8"));
type Envd = Pick<PrepareGuestOptions, "buildEnvd" | "envdKey">;
const { buildEnvd, envdKey } = (await import(ENVD.href)) as Envd;
const guest = await prepareGuest({ ...options, buildEnvd, envdKey });
const rootfs = await buildRootfs({ ...options, recipe, onLog: (line) => console.error(line) });
console.log(JSON.stringify({ guest, rootfs }, null, 2));

function onStep(step: BuildStep): void {
  console.error(step.done ? `${step.name}: ${((step.millis ?? 0) / 1000).toFixed(1)} s` : `${step.name} ...`);
}
