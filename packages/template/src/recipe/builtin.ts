// The recipes that come with the platform.
import { readdirSync, readFileSync } from "node:fs";
import { assertName, WrennError } from "@wrenn/core";
import { parseRecipe } from "./parse.ts";
import type { Recipe } from "./recipe.ts";

const RECIPES = new URL("../../recipes/", import.meta.url);

/** The built-in recipe of that name. Throws `not_found` with the names that there are. */
export function builtinRecipe(name: string): Recipe {
  assertName(name);
  if (!builtinRecipes().includes(name)) {
    const names = builtinRecipes().join(", ");
    throw new WrennError("not_found", `no built-in recipe "${name}"; there are: ${names}`, { field: "name" });
  }
  return parseRecipe(readFileSync(new URL(`${name}.yaml`, RECIPES), "utf8"));
}

/** Names of the built-in recipes. */
export function builtinRecipes(): string[] {
  return readdirSync(RECIPES)
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => file.slice(0, -".yaml".length))
    .sort();
}
