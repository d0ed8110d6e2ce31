// One file of JavaScript for each program: finding, reading and stripping a thousand sources takes longer than all the rest
// of a start, and what Node remembers of them takes more memory than the program (decision 0027).
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin, transform } from "esbuild";

export interface BundleOptions {
  /** The source tree. */
  root: string;
  /** Where the source tree is when the bundle runs. Default: where it is now. */
  place?: string;
  /** The program's first file, relative to the tree. */
  entry: string;
  outfile: string;
}

/** Packages with compiled parts, which no bundle can hold: it loads them from the tree's node_modules. */
export const UNBUNDLED: readonly string[] = ["koffi", "@koromix/koffi-linux-x64"];

/** Bundles a program. Names stay as they are, and each part stands below the name of its source. */
export async function bundle({ root, place = root, entry, outfile }: BundleOptions): Promise<void> {
  await build({
    entryPoints: [join(root, entry)],
    outfile,
    absWorkingDir: root,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    keepNames: true,
    // CommonJS packages in the bundle expect this.
    banner: {
      js: 'import { createRequire as wrennRequire } from "node:module"; const require = wrennRequire(import.meta.url);',
    },
    plugins: [keepOwnPlace(root, place), leaveOutside(root, place)],
    logLevel: "error",
  });
}

/** What says where a source is, in modules of both kinds. */
const OWN_PLACE = /\b(?:import\.meta\.(?:url|dirname|filename)|__dirname|__filename)\b/;

/** What a source finds beside itself it finds from a bundle too: what speaks of its place speaks of that. */
function keepOwnPlace(root: string, place: string): Plugin {
  return {
    name: "keep own place",
    setup(plugins) {
      plugins.onLoad({ filter: /\.[cm]?[jt]s$/, namespace: "file" }, async ({ path }) => {
        const contents = await readFile(path, "utf8");
        const loader = /\.[cm]?ts$/.test(path) ? "ts" : "js";
        if (!OWN_PLACE.test(contents)) return { contents, loader };
        const at = join(place, relative(root, path));
        const [file, directory] = [JSON.stringify(at), JSON.stringify(dirname(at))];
        const { code } = await transform(contents, {
          loader,
          define: {
            "import.meta.url": JSON.stringify(pathToFileURL(at).href),
            "import.meta.filename": file,
            "import.meta.dirname": directory,
            __filename: file,
            __dirname: directory,
          },
        });
        return { contents: code, loader: "js" };
      });
    },
  };
}

/** A bundle may lie anywhere, so it names what it leaves outside by its full path. */
function leaveOutside(root: string, place: string): Plugin {
  const filter = new RegExp(`^(?:${UNBUNDLED.join("|")})$`);
  return {
    name: "leave outside",
    setup(plugins) {
      plugins.onResolve({ filter }, ({ path, importer, kind }) => {
        const at = join(place, relative(root, createRequire(importer).resolve(path)));
        return { path: kind === "require-call" ? at : pathToFileURL(at).href, external: true };
      });
    },
  };
}
