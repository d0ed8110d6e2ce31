// Recipes: what a template's root file system is made of.

/** A checked recipe; see `parseRecipe` for what each field may hold. */
export interface Recipe {
  name: string;
  /** Code name of the Debian release. */
  suite: "bookworm";
  /** Debian packages to install on top of the essential ones. */
  packages: readonly string[];
  /** The unprivileged user, uid and gid 1000; null for none besides root. */
  user: RecipeUser | null;
  /** What the agent runs code with; null for none. The packages have to bring Python and IPython. */
  code_interpreter: RecipeInterpreter | null;
  /** Size of the image, `MiB`. A sandbox may have a larger disk, not a smaller one. */
  disk_mb: number;
}

export interface RecipeInterpreter {
  /** Python modules that every kernel has loaded from the start. */
  preload: readonly string[];
}

export interface RecipeUser {
  name: string;
  home: string;
  /** `passwordless` adds the rule; the package `sudo` has to be among the packages. */
  sudo: "passwordless" | "none";
}
