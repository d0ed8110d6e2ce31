// The places where a process may die, read from the sources: none is picked, none can be forgotten.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

const REPOSITORY = join(import.meta.dirname, "../..");

/** Names of all fault points in the packages. */
export function allPoints(): Set<string> {
  const files = globSync("packages/*/src/**/*.ts", { cwd: REPOSITORY }).filter(
    (file) => !file.endsWith(".test.ts"),
  );
  const names = files.flatMap((file) =>
    [...readFileSync(join(REPOSITORY, file), "utf8").matchAll(/faultPoint\(\s*"([^"]+)"/g)].map(
      (match) => match[1] ?? "",
    ),
  );
  return new Set(names);
}

/** What a traced operation passed: names, and whether a machine is known there. */
export function readTrace(file: string): Map<string, boolean> {
  const passed = new Map<string, boolean>();
  for (const line of readFileSync(file, "utf8").split("\n").filter(Boolean)) {
    const [name = "", vmm] = line.split(" ");
    passed.set(name, passed.get(name) === true || vmm === "vmm");
  }
  return passed;
}
