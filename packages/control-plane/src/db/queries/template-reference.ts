// How a template is referred to: by its name, or by its name and a tag.

/** The tag of a name that stands alone. */
export const DEFAULT_TAG = "default";

/** `name:tag` in its parts. */
export function splitReference(reference: string): { name: string; tag: string } {
  const at = reference.indexOf(":");
  if (at < 0) return { name: reference, tag: DEFAULT_TAG };
  return { name: reference.slice(0, at), tag: reference.slice(at + 1) };
}

export function referenceOf({ name, tag }: { name: string; tag: string }): string {
  return tag === DEFAULT_TAG ? name : `${name}:${tag}`;
}
