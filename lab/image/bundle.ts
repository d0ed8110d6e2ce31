// One file of JavaScript for each program that runs in the lab: under emulation, reading and stripping hundreds of
// sources takes longer than all the rest of a start.
import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import { build, type Plugin, transform } from "esbuild";
import { INSIDE, REPOSITORY } from "../layout.ts";

/** Packages with compiled parts, which no bundle can hold; they are taken along as they are. */
export const UNBUNDLED: readonly string[] = ["koffi", "@koromix/koffi-linux-x64"];

/** Bundles the program that begins with `entry` (path in the repository) into the file `outfile`. */
export async function bundle(entry: string, outfile: string): Promise<void> {
  await build({
    entryPoints: [`${REPOSITORY}/${entry}`],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    external: [...UNBUNDLED],
    // CommonJS packages in the bundle expect this.
    banner: {
      js: 'import { createRequire as wrennRequire } from "node:module"; const require = wrennRequire(import.meta.url);',
    },
    plugins: [keepOwnPlace],
    logLevel: "error",
  });
}

/** What a source finds beside itself it finds from a bundle too: `import.meta` speaks of the source's place in the lab. */
const keepOwnPlace: Plugin = {
  name: "keep own place",
  setup(plugins) {
    plugins.onLoad({ filter: /\.ts$/, namespace: "file" }, async ({ path }) => {
      const contents = await readFile(path, "utf8");
      if (!contents.includes("import.meta")) return { contents, loader: "ts" };
      const place = `${INSIDE.code}/${relative(REPOSITORY, path)}`;
      const { code } = await transform(contents, {
        loader: "ts",
        define: {
          "import.meta.url": JSON.stringify(`file://${place}`),
          "import.meta.dirname": JSON.stringify(place.slice(0, place.lastIndexOf("/"))),
        },
      });
      return { contents: code, loader: "js" };
    });
  },
};
