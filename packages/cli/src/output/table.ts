// Tables for people.

export interface Column<T> {
  title: string;
  value: (row: T) => string | number;
}

/** Lines with columns two spaces apart; numbers stand right. The title line is there even without rows. */
export function formatTable<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const cells = rows.map((row) => columns.map(({ value }) => value(row)));
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...cells.map((line) => printable(line[index]).length)),
  );
  const isNumber = columns.map((_, index) => cells.some((line) => typeof line[index] === "number"));
  const format = (line: readonly (string | number)[]) =>
    line
      .map((cell, index) => {
        const text = printable(cell);
        const width = widths[index] ?? 0;
        return isNumber[index] ? text.padStart(width) : text.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return `${[columns.map(({ title }) => title), ...cells].map(format).join("\n")}\n`;
}

/** Fields of one thing, a line each. Those without a value are left out. */
export function formatFields(fields: Readonly<Record<string, string | number | undefined>>): string {
  const present = Object.entries(fields).filter(([, value]) => value !== undefined);
  const width = Math.max(...present.map(([name]) => name.length));
  return present.map(([name, value]) => `${name.padEnd(width)}  ${printable(value)}\n`).join("");
}

/** How long ago something was, in one unit. */
export function age(time: string, now = Date.now()): string {
  const sec = Math.max(0, Math.round((now - Date.parse(time)) / 1000));
  if (sec < 120) return `${sec} s`;
  if (sec < 7200) return `${Math.floor(sec / 60)} min`;
  if (sec < 172_800) return `${Math.floor(sec / 3600)} h`;
  return `${Math.floor(sec / 86_400)} d`;
}

/** A size in binary units. */
export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** Text from elsewhere must not steer the terminal. */
function printable(value: string | number | undefined): string {
  return String(value ?? "").replace(/\p{Cc}/gu, "\u{fffd}");
}
