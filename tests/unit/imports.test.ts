// The arrows of docs/architecture.md, checked on what the sources import.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import {
  findCircle,
  importsOf,
  packageOf,
  readManifest,
  readSources,
  type SourceFile,
  targetOf,
} from "./import-graph.ts";

const repository = join(import.meta.dirname, "../..");
const sources = readSources(repository);
const shipped = sources.filter((file) => !file.isTest);

/** Which workspace packages each one may import. What is not here may not be imported. */
const ARROWS: Record<string, readonly string[]> = {
  core: [],
  api: ["core"],
  rpc: ["core"],
  sdk: ["api", "core"],
  cli: ["sdk", "core"],
  console: ["sdk", "core"],
  // The control plane serves the console: its files, not its inside.
  "control-plane": ["console", "api", "rpc", "core"],
  linux: ["core"],
  vmm: ["linux", "core"],
  snapshot: ["linux", "core"],
  // The agent drive carries envd: its build and its port, not its inside.
  template: ["envd", "linux", "core"],
  "host-agent": ["rpc", "vmm", "snapshot", "template", "envd", "linux", "core"],
  envd: ["rpc", "core"],
  // vmm and template: doctor proves the accelerator by running a guest.
  supervisor: ["linux", "vmm", "template", "core"],
};

const WHY: Record<string, string> = {
  "control-plane": "the control plane knows machines through the RPC contract only",
  "host-agent": "the host agent knows neither the database nor the REST API",
  cli: "the CLI uses the public SDK, and starts the supervisor as a process",
  core: "core is pure and stands below everything",
};

describe("arrows between packages", () => {
  it("has an entry for every package", () => {
    const unknown = [...new Set(sources.map((file) => file.package))].filter((name) => !(name in ARROWS));
    assert.deepEqual(unknown, [], "add the package and its arrows here and in docs/architecture.md");
  });

  it("points one way only", () => {
    assert.deepEqual(sources.flatMap(wrongArrows), []);
  });

  it("has no circle among the packages themselves", () => {
    assert.equal(findCircle(new Map(Object.entries(ARROWS))), undefined);
  });

  it("goes through what a package exports", () => {
    const wrong = sources.flatMap((file) =>
      file.imports
        .filter(({ specifier }) => specifier.startsWith("@wrenn/"))
        .filter(({ specifier }) => targetOf(file, specifier, repository) === undefined)
        .map(({ specifier }) => `${file.path} imports ${specifier}, which that package does not export`),
    );
    assert.deepEqual(wrong, []);
  });

  it("does not reach into another package by path", () => {
    const wrong = sources.flatMap((file) =>
      file.imports
        .filter(({ specifier }) => specifier.startsWith("."))
        .filter(({ specifier }) => {
          const target = targetOf(file, specifier, repository);
          return target !== undefined && !target.startsWith(`packages/${file.package}/`);
        })
        .map(({ specifier }) => `${file.path} imports ${specifier}: import @wrenn/… instead`),
    );
    assert.deepEqual(wrong, []);
  });
});

it("no file imports itself by way of others", () => {
  const edges = new Map(
    shipped.map((file) => [
      file.path,
      file.imports
        .filter(({ typeOnly }) => !typeOnly)
        .flatMap(({ specifier }) => targetOf(file, specifier, repository) ?? []),
    ]),
  );
  assert.equal(findCircle(edges)?.join(" → "), undefined);
});

describe("declared dependencies", () => {
  // Tests may use the tools of the repository's root as well.
  const root = readManifest(repository, ".");
  const tools = [...Object.keys(root.dependencies), ...Object.keys(root.devDependencies)];

  it("every import of a package is declared in its package.json", () => {
    const missing = sources.flatMap((file) => {
      const manifest = readManifest(repository, `packages/${file.package}`);
      const declared = new Set([manifest.name, ...Object.keys(manifest.dependencies)]);
      const forTests = [...tools, ...Object.keys(manifest.devDependencies)];
      if (file.isTest) for (const name of forTests) declared.add(name);
      return file.imports
        .map(({ specifier }) => packageOf(specifier))
        .filter((name) => name !== undefined && !declared.has(name))
        .map((name) => `${file.path} imports ${name}: add it to packages/${file.package}/package.json`);
    });
    assert.deepEqual(missing, []);
  });
});

describe("the raw floor of the benchmark", () => {
  const floor = join(repository, "bench/floor");
  const files = globSync("**/*.{ts,tsx,mts,js,mjs}", { cwd: floor });

  it("is made of Node and of itself: nothing of the platform stands between it and the machine", () => {
    assert.ok(files.length >= 4, `only ${files.join(", ")} were read`);
    const wrong = files.flatMap((file) =>
      importsOf(readFileSync(join(floor, file), "utf8"))
        .filter(({ specifier }) => !isOfFloor(file, specifier))
        .map(({ specifier }) => `bench/floor/${file} imports ${specifier}`),
    );
    assert.deepEqual(wrong, []);
  });

  it("would not be with any other import", () => {
    const foreign = ["@wrenn/linux", "../machine-command.ts", "../../packages/linux/src/index.ts", "undici"];
    assert.deepEqual(
      [...foreign, "./qmp.ts", "node:net"].filter((specifier) => !isOfFloor("machine.ts", specifier)),
      foreign,
    );
  });

  function isOfFloor(file: string, specifier: string): boolean {
    if (specifier.startsWith("node:")) return true;
    return specifier.startsWith(".") && files.includes(join(dirname(file), specifier));
  }
});

describe("the check itself", () => {
  it("saw the sources", () => {
    assert.ok(sources.length > 50, `only ${sources.length} files were read`);
    assert.ok(sources.some((file) => file.imports.some(({ specifier }) => specifier === "@wrenn/core")));
  });

  it("reads every form of import", () => {
    const source = [
      'import a from "a";',
      'import type { B } from "b";',
      "import {",
      "  c,",
      "  type D,",
      '} from "c/sub";',
      'import "d";',
      'export * from "./e.ts";',
      'export type { F } from "f";',
      'export const g = "not an import";',
      '// import "commented";',
      '/* import "out"; */',
      'const h = await import("h");',
      'import * as i from "node:fs";',
    ].join("\n");
    assert.deepEqual(
      importsOf(source).map(({ specifier, typeOnly }) => (typeOnly ? `type ${specifier}` : specifier)),
      ["a", "type b", "c/sub", "d", "./e.ts", "type f", "node:fs", "h"],
    );
  });

  it("finds a forbidden arrow and names the reason", () => {
    const file: SourceFile = {
      path: "packages/control-plane/src/x.ts",
      package: "control-plane",
      isTest: false,
      imports: [{ specifier: "@wrenn/linux", typeOnly: true }],
    };
    assert.deepEqual(wrongArrows(file), [
      "packages/control-plane/src/x.ts imports @wrenn/linux: the control plane knows machines through the RPC contract only",
    ]);
  });

  it("finds a circle", () => {
    const edges = new Map([
      ["a", ["b", "c"]],
      ["b", []],
      ["c", ["d"]],
      ["d", ["a"]],
    ]);
    assert.deepEqual(findCircle(edges), ["a", "c", "d", "a"]);
  });

  it("tells packages from files and built-ins", () => {
    assert.deepEqual(["@a/b/c", "d/e", "node:fs", "bun", "./f.ts"].map(packageOf), [
      "@a/b",
      "d",
      undefined,
      undefined,
      undefined,
    ]);
  });
});

function wrongArrows(file: SourceFile): string[] {
  const allowed = ARROWS[file.package] ?? [];
  return file.imports
    .map(({ specifier }) => /^@wrenn\/([^/]+)/.exec(specifier)?.[1])
    .filter((target) => target !== undefined && target !== file.package && !allowed.includes(target))
    .map((target) => {
      const reason = WHY[file.package] ?? `${file.package} may import ${allowed.join(", ") || "nothing"}`;
      return `${file.path} imports @wrenn/${target}: ${reason}`;
    });
}
