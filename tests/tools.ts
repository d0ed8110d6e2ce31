// The suite `check`: what tools say about the sources.
import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Counts } from "./counts.ts";

const TOOLS = [
  { name: "types", command: ["tsc", "--pretty", "false", "--project", "."], cwd: "." },
  { name: "lint and format", command: ["biome", "check", "."], cwd: "." },
  { name: "protobuf", command: ["buf", "lint"], cwd: "packages/rpc" },
  { name: "bootstrap script", command: ["dash", "-n", "wrenn"], cwd: "." },
];

/** Runs every tool, shows what the failing ones print, and counts them. */
export async function runTools(repository: string): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0 };
  for (const { name, command, cwd } of TOOLS) {
    const began = performance.now();
    const { ok, output } = await runTool(command, join(repository, cwd));
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    process.stdout.write(`${ok ? "✔" : "✖"} ${name} (${seconds} s)\n${ok ? "" : output}`);
    counts[ok ? "passed" : "failed"]++;
  }
  return counts;
}

async function runTool(command: string[], cwd: string): Promise<{ ok: boolean; output: string }> {
  const [file = "", ...args] = command;
  const child = spawn(file, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output += chunk;
  });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  child.once("error", (error) => {
    output += `${file} could not be run: ${error.message}\n`;
    resolve(false);
  });
  child.once("close", (code) => resolve(code === 0));
  return { ok: await promise, output };
}
