// @wrenn/template: what a guest boots from. Recipes, root file systems, kernel, initramfs, agent drive.

export { fileSha256 } from "./cache/hash.ts";
export {
  type BuildEnvd,
  type GuestArtifacts,
  type PrepareGuestOptions,
  prepareBoot,
  prepareGuest,
} from "./guest/guest.ts";
export { HOST_PACKAGES } from "./host-packages.ts";
export { type CommandLineOptions, kernelCommandLine } from "./kernel/command-line.ts";
export { type HostTsc, hostTsc, type TscSource, tscKhz } from "./kernel/tsc.ts";
export { type ImageRootfsOptions, withImageRootfs } from "./oci/image-rootfs.ts";
export { type ImageSources, type OpenImage, openImage, parseRegistries } from "./oci/open-image.ts";
export { type ResolvedImage, resolveImage } from "./oci/pull.ts";
export type { BuildOptions, BuildStep } from "./progress.ts";
export { builtinRecipe, builtinRecipes } from "./recipe/builtin.ts";
export { parseRecipe } from "./recipe/parse.ts";
export type { Recipe, RecipeUser } from "./recipe/recipe.ts";
export { type BuildRootfsOptions, buildRootfs, type RootfsImage } from "./rootfs/rootfs.ts";
