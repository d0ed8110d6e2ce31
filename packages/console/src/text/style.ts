// How a piece of output looks: the state that SGR sequences change (ECMA-48, 8.3.117), as names of classes.
import { type Colour, ofIndex, ofRgb } from "./palette.ts";

export interface Style {
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  inverse: boolean;
  strike: boolean;
  foreground: Colour | undefined;
  background: Colour | undefined;
}

export const PLAIN: Style = {
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  inverse: false,
  strike: false,
  foreground: undefined,
  background: undefined,
};

/** The style after a sequence with these parameters. Unknown ones change nothing; concealed text stays visible. */
export function applySgr(style: Style, parameters: readonly number[]): Style {
  let next = style;
  for (let at = 0; at < parameters.length; at++) {
    const code = parameters[at] ?? 0;
    if (code === 38 || code === 48) {
      const { colour, used } = extended(parameters.slice(at + 1));
      next = { ...next, [code === 38 ? "foreground" : "background"]: colour };
      at += used;
    } else next = { ...next, ...change(code) };
  }
  return next;
}

/** The classes of the style sheet; the empty string for plain text. */
export function classesOf(style: Style): string {
  const flags = (["bold", "dim", "italic", "underline", "strike"] as const).filter((flag) => style[flag]);
  const [front, back] = style.inverse
    ? [style.background ?? "default", style.foreground ?? "default"]
    : [style.foreground, style.background];
  return [
    ...flags,
    ...(front === undefined ? [] : [`fg-${front}`]),
    ...(back === undefined ? [] : [`bg-${back}`]),
  ].join(" ");
}

function change(code: number): Partial<Style> {
  if (code >= 30 && code <= 37) return { foreground: code - 30 };
  if (code >= 40 && code <= 47) return { background: code - 40 };
  if (code >= 90 && code <= 97) return { foreground: code - 82 };
  if (code >= 100 && code <= 107) return { background: code - 92 };
  return CHANGES[code] ?? {};
}

const CHANGES: Readonly<Record<number, Partial<Style>>> = {
  0: PLAIN,
  1: { bold: true },
  2: { dim: true },
  3: { italic: true },
  4: { underline: true },
  7: { inverse: true },
  9: { strike: true },
  22: { bold: false, dim: false },
  23: { italic: false },
  24: { underline: false },
  27: { inverse: false },
  29: { strike: false },
  39: { foreground: undefined },
  49: { background: undefined },
};

/** `5;n` and `2;r;g;b` behind 38 and 48 (ITU-T T.416). */
function extended(rest: readonly number[]): { colour: Colour | undefined; used: number } {
  if (rest[0] === 5) return { colour: ofIndex(rest[1] ?? -1), used: 2 };
  if (rest[0] === 2) return { colour: ofRgb(rest[1] ?? 0, rest[2] ?? 0, rest[3] ?? 0), used: 4 };
  return { colour: undefined, used: rest.length };
}
