// Text from elsewhere, shown for what it is: nothing in it hides, moves or turns what stands beside it.

/** Control, format, private and unassigned characters, and the separators that break lines. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** One line of text in which every character that draws nothing of its own is written as an escape: `\u{202e}`. */
export function visible(text: string): string {
  return text.replaceAll(INVISIBLE, escapeOf);
}

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** How a character is written when it cannot be shown. */
export function escapeOf(character: string): string {
  return SHORT[character] ?? `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

/** Joins letters in many scripts and people in emoji; harmless inside a word. */
const JOINERS = /\u{200c}|\u{200d}|\u{fe0f}/u;
const DRAWS_NOTHING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/** Whether a character of a program's output would change how other characters look, and so must be escaped. */
export function isTreacherous(character: string): boolean {
  if (character >= " " && character <= "~") return false; // most are, and output may be long
  return DRAWS_NOTHING.test(character) && !JOINERS.test(character);
}
