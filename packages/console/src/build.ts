// The files of the page, made from the sources by esbuild: one script, one style sheet, one icon, one document.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What the page's files are kept below, relative to the page. */
const FOLDER = "test";
/** The compiler takes tens of milliseconds; one that takes longer hangs. */
const TIMEOUT_MS = 30_000;
/** The bundle is far smaller. */
const MAX_BYTES = 4 * 1024 * 1024;

export interface ConsoleFile {
  /** Path of the file on the server: `/test`, or below it with a name that changes with the content. */
  path: string;
  contentType: string;
  content: Buffer;
}

/**
 * Builds the page. Nothing is written: the files stay in memory, the compiler is a process that ends. Rejects
 * with the compiler's messages.
 */
export async function buildConsole(): Promise<ConsoleFile[]> {
  const [script, style, icon, page] = await Promise.all([
    bundle("main.ts", SCRIPT_OPTIONS),
    bundle("style/main.css", STYLE_OPTIONS),
    readFile(join(import.meta.dirname, "icon.svg")),
    readFile(join(import.meta.dirname, "page.html"), "utf8"),
  ]);
  const assets = [
    asset("console.js", "text/javascript; charset=utf-8", script),
    asset("console.css", "text/css; charset=utf-8", style),
    asset("icon.svg", "image/svg+xml", icon),
  ];
  const linked = assets.reduce(
    (text, { name, file }) => text.replaceAll(`{${name}}`, file.path.slice(1)),
    page,
  );
  const document = {
    path: `/${FOLDER}`,
    contentType: "text/html; charset=utf-8",
    content: Buffer.from(linked),
  };
  return [document, ...assets.map(({ file }) => file)];
}

const SCRIPT_OPTIONS = [
  "--format=esm",
  "--platform=browser",
  "--target=es2022",
  // Parts of the SDK and of core are for Node; without it they are unreachable, and dropped.
  "--define:process=undefined",
  "--external:node:crypto",
];

/** Older browsers get both themes spelled out. */
const STYLE_OPTIONS = ["--target=chrome123,firefox120,safari17.5"];

async function bundle(entry: string, options: readonly string[]): Promise<Buffer> {
  const path = join(import.meta.dirname, entry);
  const { stdout } = await run(
    compiler(),
    [path, "--bundle", "--minify", "--log-level=warning", ...options],
    {
      encoding: "buffer",
      timeout: TIMEOUT_MS,
      maxBuffer: MAX_BYTES,
    },
  );
  return stdout;
}

/** The executable itself: the package's JavaScript would keep a service process, and 2 MB of source, alive. */
function compiler(): string {
  const own = createRequire(import.meta.url);
  const platform = `@esbuild/${process.platform}-${process.arch}`;
  return createRequire(own.resolve("esbuild")).resolve(`${platform}/bin/esbuild`);
}

function asset(name: string, contentType: string, content: Buffer): { name: string; file: ConsoleFile } {
  const version = createHash("sha256").update(content).digest("hex").slice(0, 16);
  const path = `/${FOLDER}/${name.replace(/(?=\.\w+$)/, `-${version}`)}`;
  return { name, file: { path, contentType, content } };
}
