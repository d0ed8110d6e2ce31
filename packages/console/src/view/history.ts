// The lines that were typed, brought back by the arrow keys as in a shell.
import { on } from "../dom/element.ts";

const KEPT = 100;

export class History {
  #lines: string[] = [];
  #at = 0;

  constructor(input: HTMLInputElement) {
    on(input, {
      keydown: (event) => {
        const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
        if (step === undefined) return;
        event.preventDefault();
        this.#at = Math.min(this.#lines.length, Math.max(0, this.#at + step));
        input.value = this.#lines[this.#at] ?? "";
      },
    });
  }

  add(line: string): void {
    this.#lines = [...this.#lines.filter((each) => each !== line), line].slice(-KEPT);
    this.#at = this.#lines.length;
  }
}
