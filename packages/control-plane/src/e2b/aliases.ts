// E2B's names for templates that this platform has under names of its own.

const ALIASES: Readonly<Record<string, string>> = {
  base: "minimal",
  "code-interpreter-v1": "code-interpreter",
};

/** The platform's name for what a client calls a template. A tag `:default` is the name itself. */
export function templateName(name: string): string {
  const plain = name.endsWith(":default") ? name.slice(0, -":default".length) : name;
  return Object.hasOwn(ALIASES, plain) ? (ALIASES[plain] as string) : plain;
}

/** Other names under which clients know a template. */
export function aliasesOf(name: string): string[] {
  return Object.keys(ALIASES).filter((alias) => ALIASES[alias] === name);
}
