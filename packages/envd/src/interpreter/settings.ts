// What a template says about its code interpreter.
import { readFileSync } from "node:fs";

/** Where a template that has one says so. */
export const SETTINGS_FILE = "/etc/wrenn/code-interpreter.json";

/** TCP port of the service, as its clients know it. */
export const INTERPRETER_PORT = 49_999;

export interface InterpreterSettings {
  /** Python modules that are loaded once, before there is any kernel. */
  preload: string[];
}

const MODULE = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/;

/** The settings; `undefined` where there is no such file. Throws when it is something else. */
export function readSettings(path: string): InterpreterSettings | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
  const { preload } = JSON.parse(text) as Partial<InterpreterSettings>;
  if (!Array.isArray(preload) || !preload.every((name) => typeof name === "string" && MODULE.test(name))) {
    throw new Error(`${path}: preload must be a list of Python modules`);
  }
  return { preload };
}
