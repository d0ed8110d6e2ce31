// A command line as the words of an argument vector, for commands that no shell looks at.

/**
 * Splits at white space; single quotes keep everything, double quotes and backslashes work as in POSIX's shell
 * language (2.2, Quoting), and nothing else is special. Throws a SyntaxError when a quote is not closed.
 */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < line.length; at++) {
    const character = line.charAt(at);
    if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === "'") {
      const end = line.indexOf("'", at + 1);
      if (end < 0) throw new SyntaxError("a single quote is not closed");
      word = (word ?? "") + line.slice(at + 1, end);
      at = end;
    } else if (character === '"') {
      const { text, end } = doubleQuoted(line, at + 1);
      word = (word ?? "") + text;
      at = end;
    } else if (character === "\\") {
      at++;
      if (at === line.length) throw new SyntaxError("nothing follows the last backslash");
      word = (word ?? "") + line.charAt(at);
    } else {
      word = (word ?? "") + character;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** From behind the opening quote: the text, and where the closing quote is. */
function doubleQuoted(line: string, from: number): { text: string; end: number } {
  let text = "";
  for (let at = from; at < line.length; at++) {
    const character = line.charAt(at);
    if (character === '"') return { text, end: at };
    const isEscape = character === "\\" && /["\\$`]/.test(line.charAt(at + 1));
    if (isEscape) at++;
    text += line.charAt(at);
  }
  throw new SyntaxError("a double quote is not closed");
}
