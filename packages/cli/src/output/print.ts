// Results on stdout: JSON for programs, else text for people.

/** Prints `value` as JSON if that was asked for, else what `text` makes of it. */
export function print<T>(
  stdout: { write(text: string): unknown },
  { json, value, text }: { json: boolean; value: T; text: (value: T) => string },
): void {
  stdout.write(json ? `${JSON.stringify(value, null, 2)}\n` : text(value));
}
