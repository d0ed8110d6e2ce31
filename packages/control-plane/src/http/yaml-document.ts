// Documents of the API as YAML, made when somebody asks for them: none of a service's starts waits for that.

/** What makes a document when it is first asked for; the same text from then on. */
export function yamlDocument(document: () => object): () => Promise<string> {
  let text: Promise<string> | undefined;
  return () => {
    text ??= import("yaml").then(({ stringify }) => stringify(document(), { aliasDuplicateObjects: false }));
    return text;
  };
}
