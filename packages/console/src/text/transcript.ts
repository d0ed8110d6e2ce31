// The output of a command as lines of styled text, bounded: what a log of it shows, not what a screen would.
import { EscapeParser } from "./escape-parser.ts";
import { applySgr, classesOf, PLAIN, type Style } from "./style.ts";
import { escapeOf, isTreacherous } from "./visible.ts";

/** Neighbouring characters that look alike. */
export interface Run {
  text: string;
  /** Names of classes; may be empty. */
  classes: string;
}

export type Source = "stdout" | "stderr";

interface Cell {
  text: string;
  classes: string;
}

export interface TranscriptLimits {
  /** Finished lines that are kept; the oldest go first. */
  lines: number;
  /** Characters in one line, after which another begins. */
  columns: number;
  /** Characters in all finished lines. */
  characters: number;
}

const LIMITS: TranscriptLimits = { lines: 5000, columns: 4096, characters: 2_000_000 };

/** Both streams write to the same lines, as on a terminal; each keeps its own style and half-read sequences. */
export class Transcript {
  /** Finished lines that are kept. */
  readonly lines: Run[][] = [];
  /** Finished lines that have been dropped: the first kept one has this number. */
  dropped = 0;
  readonly #limits: TranscriptLimits;
  readonly #writers: Record<Source, Writer>;
  #cells: Cell[] = [];
  #column = 0;
  #characters = 0;

  constructor(limits: Partial<TranscriptLimits> = {}) {
    this.#limits = { ...LIMITS, ...limits };
    this.#writers = { stdout: this.#writer("stdout"), stderr: this.#writer("stderr") };
  }

  /** Adds bytes of a stream; a character may be split between two calls. */
  write(source: Source, data: Uint8Array): void {
    const { decoder, parser } = this.#writers[source];
    parser.write(decoder.decode(data, { stream: true }));
  }

  /** The line that is being written. */
  current(): Run[] {
    return runsOf(this.#cells);
  }

  /** Everything that is kept, as text. */
  text(): string {
    const lines = [...this.lines, this.current()];
    return lines.map((runs) => runs.map(({ text }) => text).join("")).join("\n");
  }

  #writer(source: Source): Writer {
    let style: Style = PLAIN;
    let classes = classesFor(source, style);
    const parser = new EscapeParser({
      print: (character) => this.#print(character, classes),
      newLine: () => this.#newLine(),
      carriageReturn: () => {
        this.#column = 0;
      },
      backspace: () => {
        this.#column = Math.max(0, this.#column - 1);
      },
      eraseLine: (what) => this.#eraseLine(what),
      clear: () => this.#clear(),
      style: (parameters) => {
        style = applySgr(style, parameters);
        classes = classesFor(source, style);
      },
    });
    return { decoder: new TextDecoder("utf-8", { ignoreBOM: true }), parser };
  }

  #print(character: string, classes: string): void {
    if (this.#column >= this.#limits.columns) this.#newLine();
    const cell =
      isTreacherous(character) && character !== "\t" ? escaped(character) : { text: character, classes };
    while (this.#cells.length < this.#column) this.#cells.push({ text: " ", classes: "" });
    this.#cells[this.#column] = cell;
    this.#column++;
  }

  #newLine(): void {
    const line = runsOf(this.#cells);
    this.lines.push(line);
    this.#characters += lengthOf(line);
    this.#cells = [];
    this.#column = 0;
    while (this.lines.length > this.#limits.lines || this.#characters > this.#limits.characters) {
      this.#characters -= lengthOf(this.lines.shift() ?? []);
      this.dropped++;
    }
  }

  #eraseLine(what: number): void {
    if (what === 0) this.#cells.length = Math.min(this.#cells.length, this.#column);
    else if (what === 2) this.#cells = [];
    else if (what === 1) this.#cells.fill({ text: " ", classes: "" }, 0, this.#column + 1);
  }

  /** Programs clear a screen; a log loses nothing by it but the line that is being written. */
  #clear(): void {
    if (this.#cells.length > 0) this.#newLine();
  }
}

interface Writer {
  decoder: TextDecoder;
  parser: EscapeParser;
}

function classesFor(source: Source, style: Style): string {
  const classes = classesOf(style);
  return source === "stderr" ? `stderr ${classes}`.trimEnd() : classes;
}

function escaped(character: string): Cell {
  return { text: escapeOf(character), classes: "escaped" };
}

function runsOf(cells: readonly Cell[]): Run[] {
  const runs: Run[] = [];
  for (const { text, classes } of cells) {
    const last = runs.at(-1);
    if (last?.classes === classes) last.text += text;
    else runs.push({ text, classes });
  }
  return runs;
}

function lengthOf(line: readonly Run[]): number {
  return line.reduce((sum, { text }) => sum + text.length, 0);
}
