// Reads which file imports what, so that imports.test.ts can judge it.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

export interface Import {
  /** As it stands in the source. */
  specifier: string;
  /** `import type` and `export type`: gone when the code runs. */
  typeOnly: boolean;
}

export interface SourceFile {
  /** Relative to the repository. */
  path: string;
  /** Folder of its package under `packages/`. */
  package: string;
  isTest: boolean;
  imports: Import[];
}

export interface Manifest {
  name: string;
  exports: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}

const COMMENT = /\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm;
const STATIC = /^[ \t]*(?:import|export)\s+(type\s)?(?:[\w*{}\s,$]*?\bfrom\s*)?["']([^"']+)["']/gm;
const DYNAMIC = /\bimport\(\s*["']([^"']+)["']\s*\)/g;

/** The imports of a TypeScript source, in the forms that this repository uses. */
export function importsOf(source: string): Import[] {
  const code = source.replace(COMMENT, "");
  const fixed = [...code.matchAll(STATIC)].map((match) => ({
    specifier: match[2] ?? "",
    typeOnly: match[1] !== undefined,
  }));
  const dynamic = [...code.matchAll(DYNAMIC)].map((match) => ({
    specifier: match[1] ?? "",
    typeOnly: false,
  }));
  return [...fixed, ...dynamic];
}

/** Every source file of every package, generated ones included. */
export function readSources(repository: string): SourceFile[] {
  const packages = join(repository, "packages");
  return readdirSync(packages).flatMap((name) => {
    const folder = join(packages, name, "src");
    return readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((file) => /\.tsx?$/.test(file))
      .map((file) => ({
        path: relative(repository, join(folder, file)),
        package: name,
        isTest: /\.test\.tsx?$|(^|\/)(testing\/|test-[^/]*$)/.test(file),
        imports: importsOf(readFileSync(join(folder, file), "utf8")),
      }));
  });
}

export function readManifest(repository: string, folder: string): Manifest {
  const manifest = JSON.parse(readFileSync(join(repository, folder, "package.json"), "utf8"));
  return {
    name: manifest.name,
    exports: manifest.exports ?? {},
    dependencies: manifest.dependencies ?? {},
    devDependencies: manifest.devDependencies ?? {},
  };
}

/** The package that a specifier names (`@scope/name/sub` → `@scope/name`); undefined for files and built-ins. */
export function packageOf(specifier: string): string | undefined {
  if (/^[./]|^node:|^bun(:|$)/.test(specifier)) return undefined;
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0];
}

/** The file that an import of another file or of a workspace package leads to; undefined for anything else. */
export function targetOf(from: SourceFile, specifier: string, repository: string): string | undefined {
  if (specifier.startsWith(".")) return join(dirname(from.path), specifier);
  const folder = /^@wrenn\/([^/]+)(.*)$/.exec(specifier);
  if (!folder) return undefined;
  const exported = readManifest(repository, `packages/${folder[1]}`).exports[`.${folder[2]}`];
  return exported === undefined ? undefined : join("packages", folder[1] ?? "", exported);
}

/** One circle in a graph, as the nodes along it, or undefined. */
export function findCircle(edges: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const finished = new Set<string>();
  const path: string[] = [];
  const visit = (node: string): string[] | undefined => {
    if (finished.has(node)) return undefined;
    const seenAt = path.indexOf(node);
    if (seenAt >= 0) return [...path.slice(seenAt), node];
    path.push(node);
    for (const next of edges.get(node) ?? []) {
      const circle = visit(next);
      if (circle) return circle;
    }
    path.pop();
    finished.add(node);
    return undefined;
  };
  for (const node of edges.keys()) {
    const circle = visit(node);
    if (circle) return circle;
  }
  return undefined;
}
