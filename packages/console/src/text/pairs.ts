// `key=value` lines, as metadata and environments are typed.

/**
 * One pair a line; blank lines count for nothing; the value may hold `=`. Undefined when there is none. Throws a
 * SyntaxError that names the line.
 */
export function parsePairs(text: string): Record<string, string> | undefined {
  const pairs = new Map<string, string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    const at = line.indexOf("=");
    if (at < 1) throw new SyntaxError(`line ${index + 1} is not key=value`);
    const key = line.slice(0, at).trim();
    if (pairs.has(key)) throw new SyntaxError(`line ${index + 1} repeats ${key}`);
    pairs.set(key, line.slice(at + 1));
  }
  // Own properties, whatever they are called: `__proto__` is a key like any other.
  return pairs.size === 0 ? undefined : Object.fromEntries(pairs);
}
