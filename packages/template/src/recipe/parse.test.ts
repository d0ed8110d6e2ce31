import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { builtinRecipe, builtinRecipes } from "./builtin.ts";
import { parseRecipe } from "./parse.ts";

const refused = (text: string, field: string, code = "invalid_argument") =>
  assert.throws(() => parseRecipe(text), { code, field }, text);

describe("parseRecipe()", () => {
  it("fills in what is left out", () => {
    assert.deepEqual(parseRecipe("name: small"), {
      name: "small",
      suite: "bookworm",
      packages: [],
      user: null,
      code_interpreter: null,
      disk_mb: 1024,
    });
    assert.deepEqual(parseRecipe("{name: x, user: {name: ann}}").user, {
      name: "ann",
      home: "/home/ann",
      sudo: "none",
    });
  });

  it("names the field that is wrong", () => {
    refused("[]", "recipe");
    refused("", "recipe");
    refused("{name: [", "recipe");
    refused("packages: []", "recipe.name");
    refused("name: ../x", "recipe.name");
    refused('name: "a\\0b"', "recipe.name");
    refused("name: 7", "recipe.name");
    refused("{name: x, colour: red}", "recipe.colour");
    refused("{name: x, __proto__: {disk_mb: 2048}}", "recipe.__proto__");
    refused("{name: x, suite: sid}", "recipe.suite");
    refused("{name: x, packages: git}", "recipe.packages");
    refused("{name: x, packages: [git, '-o']}", "recipe.packages[1]");
    refused("{name: x, packages: [git, 'a;b']}", "recipe.packages[1]");
    refused("{name: x, packages: [git, git]}", "recipe.packages[1]");
    refused("{name: x, disk_mb: 1023}", "recipe.disk_mb");
    refused("{name: x, disk_mb: 65537}", "recipe.disk_mb");
    refused("{name: x, disk_mb: 1024.5}", "recipe.disk_mb");
    refused("{name: x, user: ann}", "recipe.user");
    refused("{name: x, user: {name: Ann}}", "recipe.user.name");
    refused("{name: x, user: {name: ann, home: ann}}", "recipe.user.home");
    refused("{name: x, user: {name: ann, home: /home/../etc}}", "recipe.user.home");
    refused("{name: x, user: {name: ann, home: /}}", "recipe.user.home");
    refused("{name: x, user: {name: ann, sudo: yes}}", "recipe.user.sudo");
    refused("{name: x, user: {name: ann, sudo: passwordless}}", "recipe.user.sudo");
    refused("{name: x, user: {name: ann, uid: 0}}", "recipe.user.uid");
  });

  it("has a code interpreter where its shell is installed", () => {
    const recipe = parseRecipe(
      "{name: x, packages: [python3-ipython], code_interpreter: {preload: [os.path]}}",
    );
    assert.deepEqual(recipe.code_interpreter, { preload: ["os.path"] });
    refused("{name: x, code_interpreter: {preload: []}}", "recipe.code_interpreter");
    const of = (fields: string) => `{name: x, packages: [python3-ipython], code_interpreter: ${fields}}`;
    refused(of("{preload: ['-c']}"), "recipe.code_interpreter.preload[0]");
    refused(of("{preload: [a..b]}"), "recipe.code_interpreter.preload[0]");
    refused(of("{port: 1}"), "recipe.code_interpreter.port");
    refused(of("true"), "recipe.code_interpreter");
  });

  it("refuses what is too much, aliases and duplicate fields", () => {
    refused(`name: x\n# ${"x".repeat(65_536)}`, "recipe", "too_large");
    refused(`{name: x, packages: [${Array.from({ length: 1001 }, (_, n) => `p${n}`)}]}`, "recipe.packages");
    refused("name: &a x\nsuite: *a", "recipe");
    refused("name: x\nname: y", "recipe");
  });

  it("answers any text with a recipe or an error that names a field", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        try {
          parseRecipe(text);
        } catch (error) {
          assert.match(String((error as { field?: string }).field), /^recipe/);
        }
      }),
    );
  });
});

describe("the built-in recipes", () => {
  it("are all valid, and named as their files", () => {
    assert.ok(builtinRecipes().includes("minimal"));
    for (const name of builtinRecipes()) assert.equal(builtinRecipe(name).name, name);
  });

  it("are told when a name is not among them", () => {
    assert.throws(() => builtinRecipe("nope"), { code: "not_found", message: /minimal/ });
    assert.throws(() => builtinRecipe("../minimal"), { code: "invalid_argument" });
  });
});
