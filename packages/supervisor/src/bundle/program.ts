// What Node is given to run a daemon: its bundle, which is made when its sources have changed, or else its sources.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { bundleDirectory } from "../code-cache.ts";
import { compileSources } from "../compile.ts";

const BUNDLER = join(import.meta.dirname, "main.ts");

export interface ProgramOptions {
  /** The source tree that holds the daemon. */
  sourceRoot: string;
  cacheDir: string;
  /** Its package, below packages/. */
  name: string;
}

export class Program {
  readonly #entry: string;
  readonly #sourceRoot: string;
  readonly #bundle: string;
  #bundled = false;

  constructor({ sourceRoot, cacheDir, name }: ProgramOptions) {
    this.#sourceRoot = sourceRoot;
    this.#entry = join("packages", name, "src/main.ts");
    // Two trees that share a cache have different bundles, and one tree has one.
    const tree = createHash("sha256").update(sourceRoot).digest("hex").slice(0, 12);
    this.#bundle = join(bundleDirectory(cacheDir), `${name}-${tree}.mjs`);
  }

  /** The file for Node. The bundle is not there any more when somebody has emptied the cache. */
  get main(): string {
    return this.#bundled && existsSync(this.#bundle) ? this.#bundle : this.source;
  }

  /** The program's first source. */
  get source(): string {
    return join(this.#sourceRoot, this.#entry);
  }

  /** Sees to the bundle. Never rejects: without one the daemon starts from its sources. */
  async prepare(signal?: AbortSignal): Promise<void> {
    const directory = dirname(this.#bundle);
    await mkdir(directory, { recursive: true }).catch(() => {});
    // Whatever the umask: the control plane's user reads there.
    await chmod(directory, 0o755).catch(() => {});
    this.#bundled = await compileSources({
      sourceRoot: this.#sourceRoot,
      filled: `${this.#bundle}.sources`,
      command: [process.execPath, BUNDLER, this.#sourceRoot, this.#entry, this.#bundle],
      signal,
    });
  }
}
