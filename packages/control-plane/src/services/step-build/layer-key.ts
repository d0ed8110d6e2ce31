// What a layer is called: a hash of everything that has led to it. Pure.
import { createHash } from "node:crypto";
import type { Action, PlannedStep } from "./plan.ts";

/** Part of every key: to be raised when the same steps are to give other layers. */
const FORMAT = 1;

/**
 * The key of what the build begins with, and the key after each step. A step that only changes the surroundings of later ones leaves no trace in the guest and
 * shares the key of the one before it. `origin` stands for what the build begins with.
 */
export function layerKeys(origin: string, steps: readonly PlannedStep[]): { first: string; keys: string[] } {
  const first = hash([FORMAT, origin]);
  let key = first;
  const keys = steps.map(({ action }) => {
    if (action) key = hash([key, canonical(action)]);
    return key;
  });
  return { first, keys };
}

/** The order in which variables were named changes nothing in what is run. */
function canonical(action: Action): unknown {
  if (action.type === "copy") return action;
  const { envs, ...surroundings } = action.surroundings;
  const sorted = Object.entries(envs).sort(([a], [b]) => (a < b ? -1 : 1));
  return { ...action, surroundings: { ...surroundings, envs: sorted } };
}

function hash(parts: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}
