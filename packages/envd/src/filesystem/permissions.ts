// File modes as text.

/** File type bits of `st_mode` (inode(7)) and the letters of ls(1). */
const TYPE_MASK = 0o170000;
const TYPE_LETTERS = new Map([
  [0o140000, "s"],
  [0o120000, "l"],
  [0o100000, "-"],
  [0o060000, "b"],
  [0o040000, "d"],
  [0o020000, "c"],
  [0o010000, "p"],
]);

/** The mode as `ls -l` prints it. */
export function permissions(mode: number): string {
  const bits = [...(mode & 0o777).toString(2).padStart(9, "0")].map((bit, i) =>
    bit === "1" ? "rwx"[i % 3] : "-",
  );
  const special: [number, number, string][] = [
    [0o4000, 2, "s"],
    [0o2000, 5, "s"],
    [0o1000, 8, "t"],
  ];
  for (const [flag, at, letter] of special) {
    if (mode & flag) bits[at] = bits[at] === "x" ? letter : letter.toUpperCase();
  }
  return (TYPE_LETTERS.get(mode & TYPE_MASK) ?? "?") + bits.join("");
}
