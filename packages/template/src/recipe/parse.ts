// A recipe's text into a checked recipe.
import { BOUNDS, WrennError } from "@wrenn/core";
import { parse } from "yaml";
import { Fields } from "./fields.ts";
import type { Recipe, RecipeInterpreter, RecipeUser } from "./recipe.ts";

const MAX_RECIPE_BYTES = 64 * 1024;
const MAX_PACKAGES = 1000;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Debian Policy 5.6.1, with a bound. */
const PACKAGE = /^[a-z0-9][a-z0-9+.-]{1,99}$/;
/** A Python module: names with dots between them. */
const MODULE = /^[A-Za-z_]\w{0,63}(?:\.[A-Za-z_]\w{0,63}){0,7}$/;
const MAX_MODULES = 64;
/** As adduser(8) accepts it by default. */
const USER_NAME = /^[a-z][a-z0-9_-]{0,31}$/;
/** Absolute, without empty, `.` or `..` parts. */
const HOME = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]{1,64}){1,8}$/;

/**
 * Reads a recipe from YAML (or JSON). Unknown fields, aliases and custom tags are refused.
 *
 * @throws `invalid_argument` with the field, such as `recipe.packages[3]`.
 */
export function parseRecipe(text: string): Recipe {
  const fields = new Fields(parseYaml(text), "recipe");
  const recipe: Recipe = {
    name: fields.text("name", NAME),
    suite: fields.choice("suite", ["bookworm"], "bookworm"),
    packages: fields.texts("packages", PACKAGE, MAX_PACKAGES),
    user: parseUser(fields.map("user")),
    code_interpreter: parseInterpreter(fields.map("code_interpreter")),
    disk_mb: fields.whole("disk_mb", BOUNDS.disk_mb, BOUNDS.disk_mb.min),
  };
  fields.end();
  if (recipe.code_interpreter !== null && !recipe.packages.includes("python3-ipython")) {
    throw new WrennError(
      "invalid_argument",
      "recipe.code_interpreter needs the package python3-ipython in recipe.packages",
      { field: "recipe.code_interpreter" },
    );
  }
  if (recipe.user?.sudo === "passwordless" && !recipe.packages.includes("sudo")) {
    throw new WrennError("invalid_argument", "recipe.user.sudo needs the package sudo in recipe.packages", {
      field: "recipe.user.sudo",
    });
  }
  return recipe;
}

function parseUser(fields: Fields | null): RecipeUser | null {
  if (fields === null) return null;
  const name = fields.text("name", USER_NAME);
  const user: RecipeUser = {
    name,
    home: fields.text("home", HOME, `/home/${name}`),
    sudo: fields.choice("sudo", ["passwordless", "none"], "none"),
  };
  fields.end();
  return user;
}

function parseInterpreter(fields: Fields | null): RecipeInterpreter | null {
  if (fields === null) return null;
  const interpreter = { preload: fields.texts("preload", MODULE, MAX_MODULES) };
  fields.end();
  return interpreter;
}

function parseYaml(text: string): unknown {
  if (Buffer.byteLength(text) > MAX_RECIPE_BYTES) {
    throw new WrennError("too_large", `a recipe has at most ${MAX_RECIPE_BYTES} bytes`, { field: "recipe" });
  }
  try {
    return parse(text, { maxAliasCount: 0, schema: "core", strict: true, logLevel: "error" });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n", 1)[0] : "";
    throw new WrennError("invalid_argument", `recipe is not YAML: ${reason}`, { field: "recipe", cause });
  }
}
