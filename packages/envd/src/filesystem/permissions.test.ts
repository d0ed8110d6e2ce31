import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { permissions } from "./permissions.ts";

test("permissions() prints modes as ls does", () => {
  assert.deepEqual(
    [0o100644, 0o040755, 0o104755, 0o102640, 0o041777, 0o041776, 0o120777, 0o020666].map(permissions),
    [
      "-rw-r--r--",
      "drwxr-xr-x",
      "-rwsr-xr-x",
      "-rw-r-S---",
      "drwxrwxrwt",
      "drwxrwxrwT",
      "lrwxrwxrwx",
      "crw-rw-rw-",
    ],
  );
});

test("permissions() keeps every one of the nine bits apart", () => {
  fc.assert(
    fc.property(fc.nat({ max: 0o777 }), (mode) => {
      const text = permissions(0o100000 | mode);
      const back = [...text.slice(1)].reduce((bits, letter) => bits * 2 + (letter === "-" ? 0 : 1), 0);
      assert.equal(back, mode);
    }),
  );
});
