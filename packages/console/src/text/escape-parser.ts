// What a program writes to a terminal, taken apart: text, line control, and the few sequences that are understood.
// Everything else that a terminal would obey (ECMA-48: moving the cursor, titles, clipboard, replies) is dropped.

export interface TerminalActions {
  /** One character that is to be shown. */
  print(character: string): void;
  newLine(): void;
  carriageReturn(): void;
  backspace(): void;
  /** Erases in the line: 0 from the cursor on, 1 up to it, 2 all (`CSI n K`). */
  eraseLine(what: number): void;
  /** Erases everything (`CSI 2 J`, `CSI 3 J`, and `ESC c`). */
  clear(): void;
  /** Select Graphic Rendition (`CSI … m`). */
  style(parameters: readonly number[]): void;
}

type State = "text" | "escape" | "intermediate" | "csi" | "string" | "string-escape";

/** Parameters beyond this many characters make a sequence that no program means. */
const MAX_PARAMETERS = 64;

/** Keeps its place between chunks, so that a sequence may be split anywhere. */
export class EscapeParser {
  readonly #actions: TerminalActions;
  #state: State = "text";
  #parameters = "";

  constructor(actions: TerminalActions) {
    this.#actions = actions;
  }

  write(text: string): void {
    for (const character of text) this.#take(character);
  }

  #take(character: string): void {
    const code = character.codePointAt(0) ?? 0;
    // CAN and SUB break off any sequence.
    if (this.#state !== "text" && (code === 0x18 || code === 0x1a)) this.#state = "text";
    else this[TAKERS[this.#state]](character, code);
  }

  takeText(character: string, code: number): void {
    if (code >= 0x20 && (code < 0x7f || code > 0x9f)) this.#actions.print(character);
    else if (code === 0x1b) this.#state = "escape";
    else if (code === 0x0a || code === 0x0b || code === 0x0c || code === 0x85) this.#actions.newLine();
    else if (code === 0x0d) this.#actions.carriageReturn();
    else if (code === 0x08) this.#actions.backspace();
    else if (code === 0x9b) this.#begin("csi");
    else if (code === 0x90 || code === 0x98 || (code >= 0x9d && code <= 0x9f)) this.#state = "string";
    else if (code !== 0x00 && code !== 0x07) this.#actions.print(character);
  }

  takeEscape(character: string, code: number): void {
    if (character === "[") this.#begin("csi");
    else if (/[\]PX^_]/.test(character)) this.#state = "string";
    else if (code >= 0x20 && code <= 0x2f) this.#state = "intermediate";
    else {
      this.#state = "text";
      if (character === "c") this.#actions.clear();
      else if (code < 0x20) this.takeText(character, code);
    }
  }

  takeIntermediate(character: string, code: number): void {
    if (code >= 0x20 && code <= 0x2f) return;
    this.#state = "text";
    if (code < 0x20) this.takeText(character, code);
  }

  takeCsi(character: string, code: number): void {
    if (code >= 0x40 && code <= 0x7e) {
      this.#state = "text";
      this.#execute(character);
    } else if (code >= 0x20 && code <= 0x3f) {
      if (this.#parameters.length < MAX_PARAMETERS) this.#parameters += character;
    } else {
      // A control inside a sequence is obeyed, as terminals do; anything else ends it.
      if (code >= 0x20 || code === 0x1b) this.#state = "text";
      this.takeText(character, code);
    }
  }

  /** Titles, hyperlinks, clipboard: up to BEL or ST, however long. A new line ends them too, lest all be lost. */
  takeString(character: string, code: number): void {
    if (code === 0x1b) this.#state = "string-escape";
    else if (code === 0x07 || code === 0x9c) this.#state = "text";
    else if (code === 0x0a) {
      this.#state = "text";
      this.takeText(character, code);
    }
  }

  takeStringEscape(character: string, code: number): void {
    this.#state = "text";
    if (character !== "\\") this.takeEscape(character, code);
  }

  #begin(state: State): void {
    this.#state = state;
    this.#parameters = "";
  }

  #execute(final: string): void {
    // Private and intermediate characters make another sequence of it.
    if (!/^[\d;:]*$/.test(this.#parameters)) return;
    const numbers = this.#parameters.split(/[;:]/).map(Number);
    if (final === "m") this.#actions.style(numbers);
    else if (final === "K") this.#actions.eraseLine(numbers[0] ?? 0);
    else if (final === "J" && (numbers[0] ?? 0) >= 2) this.#actions.clear();
  }
}

const TAKERS = {
  text: "takeText",
  escape: "takeEscape",
  intermediate: "takeIntermediate",
  csi: "takeCsi",
  string: "takeString",
  "string-escape": "takeStringEscape",
} as const satisfies Record<State, keyof EscapeParser>;
