// A template's root file system: Debian packages installed into a tree, finished, and made into an image.
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { CommandError, run } from "@wrenn/linux";
import { cached } from "../cache/cached.ts";
import { fileSha256, partsSha256 } from "../cache/hash.ts";
import { publish } from "../cache/publish.ts";
import { installedPackages } from "../debian/installed.ts";
import { buildSources } from "../debian/sources.ts";
import { type BuildOptions, step } from "../progress.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { makeExt4 } from "./image.ts";
import { finishTree, fixTimes } from "./tree.ts";

export interface RootfsImage {
  /** ext4, raw, sparse, read-only. */
  path: string;
  /** SHA-256 of the whole file, 64 hex digits. */
  sha256: string;
  /** Bytes that the file takes on disk (blocks x 512). */
  sizeBytes: number;
  /** Bytes of the file system: the smallest disk that the image fits on. */
  apparentBytes: number;
  /** Debian packages in it, by name, with their versions. */
  packages: Readonly<Record<string, string>>;
}

export interface BuildRootfsOptions extends BuildOptions {
  recipe: Recipe;
  /** Told the lines that the installation prints. */
  onLog?: ((line: string) => void) | undefined;
}

/** Part of every key: to be raised when the same recipe is to give another image. */
const FORMAT = 1;

/** Seconds; the time of everything that a build makes and that no package brings: the release of bookworm. */
const IMAGE_EPOCH = Date.UTC(2023, 5, 10) / 1000;

const INSTALL_TIMEOUT_MS = 1_800_000;

/**
 * The image of a recipe. One that is in the cache is used as long as it is there, without network, also when Debian has
 * newer packages since. The same recipe and the same package versions give the same bytes.
 *
 * @throws `invalid_argument` when the recipe's user clashes with a package; `internal` with the installer's own words when
 * it fails.
 */
export async function buildRootfs(options: BuildRootfsOptions): Promise<RootfsImage> {
  const { recipe, cacheDir } = options;
  await mkdir(cacheDir, { recursive: true, mode: 0o755 });
  const key = recipeKey(recipe);
  const dir = await cached({ ...options, name: `rootfs/${key}` }, async ({ scratch, path }) => {
    const tree = join(scratch, "tree");
    const result = join(scratch, "result");
    const image = join(result, "rootfs.ext4");
    await mkdir(result);
    const { mtimeMs: began } = await stat(result);
    await step(options, "install packages", () => install(tree, scratch, options));
    const packages = installedPackages(await readFile(join(tree, "var/lib/dpkg/status"), "utf8"));
    await step(options, "make root file system", async () => {
      await finishTree(tree, recipe);
      await fixTimes(tree, began, IMAGE_EPOCH);
      const epoch = IMAGE_EPOCH;
      const uuid = uuidFrom(key);
      await makeExt4({ tree, image, sizeMb: recipe.disk_mb, epoch, uuid, scratch, signal: options.signal });
    });
    await step(options, "store root file system", async () => {
      const sha256 = await fileSha256(image, options.signal);
      await writeFile(join(result, "manifest.json"), JSON.stringify({ sha256, packages }, null, 2));
      await publish(result, path);
    });
  });
  const path = join(dir, "rootfs.ext4");
  const manifest = JSON.parse(await readFile(join(dir, "manifest.json"), "utf8")) as Pick<
    RootfsImage,
    "sha256" | "packages"
  >;
  const { blocks, size } = await stat(path);
  return { path, sizeBytes: blocks * 512, apparentBytes: size, ...manifest };
}

/** What the bytes of an image depend on besides the versions of the packages. The recipe's name is not in it. */
export function recipeKey(recipe: Recipe): string {
  const { name: _, packages, code_interpreter, ...rest } = recipe;
  // Absent where there is none, so that images from before there were any keep their keys.
  const content = { ...rest, ...(code_interpreter && { code_interpreter }) };
  return partsSha256([JSON.stringify([FORMAT, IMAGE_EPOCH, [...packages].sort(), content])]);
}

/**
 * mmdebstrap in mount and process namespaces of its own: what it mounts and starts ends with it, whatever happens.
 * SOURCE_DATE_EPOCH stays unset: with it Python's byte code would be made to read and hash its source at each import.
 */
async function install(tree: string, scratch: string, options: BuildRootfsOptions): Promise<void> {
  const { recipe, onLog, signal } = options;
  const temporary = join(scratch, "tmp");
  await mkdir(temporary, { mode: 0o755 });
  const { SOURCE_DATE_EPOCH: _, ...inherited } = process.env as Record<string, string>;
  let complaint: string | undefined;
  const command = run(
    [
      ...(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"] as const),
      ...["mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory"],
      // The user that apt would switch to cannot pass through a private data directory.
      '--aptopt=APT::Sandbox::User "root"',
      ...SLIM.map((option) => `--dpkgopt=${option}`),
      ...(recipe.packages.length > 0 ? [`--include=${recipe.packages.join(",")}`] : []),
      ...[recipe.suite, tree, ...(await buildSources(recipe.suite, signal))],
    ],
    {
      timeoutMs: INSTALL_TIMEOUT_MS,
      // INITRD (Debian's kernel hooks): a kernel package in an image is for its modules; no guest boots from its own disk.
      env: { ...inherited, LC_ALL: "C.UTF-8", TMPDIR: temporary, INITRD: "No" },
      onStderrLine: (line) => {
        if (line.startsWith("E: ")) complaint ??= line.slice(3);
        onLog?.(line);
      },
      signal,
    },
  );
  try {
    await command;
  } catch (cause) {
    if (!(cause instanceof CommandError) || cause.reason !== "exit") throw cause;
    const said = complaint ?? cause.message;
    throw new WrennError(
      "internal",
      `the packages of recipe ${recipe.name} could not be installed: ${said}`,
      { cause },
    );
  }
}

/** Documentation stays out, also when a sandbox installs more later; licences stay in. As in Debian's slim images. */
const SLIM = [
  "path-exclude=/usr/share/doc/*",
  "path-include=/usr/share/doc/*/copyright",
  "path-exclude=/usr/share/info/*",
  "path-exclude=/usr/share/man/*",
  "path-exclude=/usr/share/locale/*",
];

/** A UUID made from the first 16 bytes of a hash (version 8 of RFC 9562: bits of one's own choice). */
function uuidFrom(hash: string): string {
  const digits = `${hash.slice(0, 12)}8${hash.slice(13, 16)}8${hash.slice(17, 32)}`;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
