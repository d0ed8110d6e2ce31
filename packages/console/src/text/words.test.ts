import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { splitWords } from "./words.ts";

describe("splitWords()", () => {
  it("splits as a shell does, and knows nothing else of a shell", () => {
    const table: readonly (readonly [string, string[]])[] = [
      ["", []],
      ["  uname   -a ", ["uname", "-a"]],
      [`python3 -c "print('a b')"`, ["python3", "-c", "print('a b')"]],
      [`a'b c'"d e"f\\ g`, ["ab cd ef g"]],
      [`'' ""`, ["", ""]],
      [`"\\$HOME \\" \\\\ \\n"`, [`$HOME " \\ \\n`]],
      [`'\\n'`, ["\\n"]],
      ["$HOME * | cat > x; y", ["$HOME", "*", "|", "cat", ">", "x;", "y"]],
      ["a\tb\nc", ["a", "b", "c"]],
    ];
    for (const [line, words] of table) assert.deepEqual(splitWords(line), words, line);
  });

  it("refuses what is not finished", () => {
    assert.throws(() => splitWords("echo 'a"), new SyntaxError("a single quote is not closed"));
    assert.throws(() => splitWords('echo "a\\"'), new SyntaxError("a double quote is not closed"));
    assert.throws(() => splitWords("echo \\"), new SyntaxError("nothing follows the last backslash"));
  });

  it("gives quoted words back as they were", () => {
    const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" })), (words) => {
        assert.deepEqual(splitWords(words.map(quote).join(" ")), words);
      }),
    );
  });
});
