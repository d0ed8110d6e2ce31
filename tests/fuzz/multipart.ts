// Forms of `multipart/form-data` byte by byte, right ones and wrong ones.
import fc from "fast-check";
import type { Schema } from "./document.ts";
import type { Fault } from "./fault.ts";
import { invalidTexts, validText } from "./text-arbitrary.ts";

export interface Form {
  contentType: string;
  body: Buffer;
  faults: readonly Fault[];
  /** Announced instead of the length that it has. */
  announced?: number;
}

interface Part {
  name: string;
  filename?: string;
  content: Buffer;
}

const BOUNDARY = "----wrenn-fuzz-7MA4YWxkTrZu0gW";
const TYPE = `multipart/form-data; boundary=${BOUNDARY}`;

/** A form that the schema allows, `path` first. */
export function validForm(schema: Schema, paths: readonly string[]): fc.Arbitrary<Form> {
  return content(schema, paths).map(({ path, file }) => form([path, file]));
}

/** A form with one thing wrong with it. */
export function invalidForm(
  schema: Schema,
  {
    paths,
    pathFirst,
    maxBytes,
  }: { paths: readonly string[]; pathFirst: boolean; maxBytes: number | undefined },
): fc.Arbitrary<Form> {
  const wrongPaths = invalidTexts(schema.properties?.["path"] ?? {}).filter((text) => text.isWellFormed());
  const spoilt = content(schema, paths).chain(({ path, file }) => {
    const whole = form([path, file]);
    const other = { ...path, name: "other" };
    const input = (what: string, bad: Form, status = 400): Form => ({
      ...bad,
      faults: [{ layer: "input", statuses: [status], what }],
    });
    const choices: Form[] = [
      input("no path", form([file])),
      input("no file", form([path])),
      input("two paths", form([path, path, file])),
      input("two files", form([path, file, file])),
      input("an unknown part", form([path, other, file])),
      input("too many parts", form([path, ...Array.from({ length: 20 }, () => other), file])),
      input("no end", { ...whole, body: whole.body.subarray(0, -BOUNDARY.length - 6) }),
      input("cut in the head of a part", { ...whole, body: whole.body.subarray(0, BOUNDARY.length + 20) }),
      input("empty", { ...whole, body: Buffer.alloc(0) }),
      input("no form", { ...whole, body: Buffer.from("path=/tmp/x&file=y") }),
      input("another boundary", { ...whole, contentType: "multipart/form-data; boundary=other" }),
      input("no boundary", { ...whole, contentType: "multipart/form-data" }, 415),
      input("an endless boundary", {
        ...whole,
        contentType: `multipart/form-data; boundary=${"b".repeat(4000)}`,
      }),
      input("another type", { ...whole, contentType: "multipart/mixed; boundary=x" }, 415),
      input(
        "JSON",
        { ...whole, contentType: "application/json", body: Buffer.from('{"path":"/tmp/x"}') },
        415,
      ),
      ...(pathFirst ? [input("the file before its path", form([file, path]))] : []),
      ...(maxBytes === undefined ? [] : [tooLarge(whole, maxBytes)]),
    ];
    return fc.constantFrom(...choices);
  });
  const wrongPath = fc.constantFrom(...wrongPaths).map((text) => ({
    ...form([field("path", text), upload(Buffer.from("x"))]),
    faults: [
      { layer: "input", statuses: [400], what: "a path that is not valid", named: true },
    ] satisfies Fault[],
  }));
  return fc.oneof({ arbitrary: spoilt, weight: 2 }, { arbitrary: wrongPath, weight: 1 });
}

/** Nobody has to send so much to be refused. */
function tooLarge(whole: Form, maxBytes: number): Form {
  return {
    ...whole,
    announced: 2 * maxBytes,
    faults: [{ layer: "size", statuses: [413], what: "announced as too large" }],
  };
}

function content(schema: Schema, paths: readonly string[]): fc.Arbitrary<{ path: Part; file: Part }> {
  const path = validText(schema.properties?.["path"] ?? { type: "string" }).filter((text) =>
    text.isWellFormed(),
  );
  return fc
    .tuple(
      fc.oneof(path, fc.constantFrom(...paths)),
      fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.constant(new Uint8Array(100_000).fill(13))),
    )
    .map(([text, bytes]) => ({ path: field("path", text), file: upload(Buffer.from(bytes)) }));
}

function field(name: string, text: string): Part {
  return { name, content: Buffer.from(text) };
}

function upload(bytes: Buffer): Part {
  return { name: "file", filename: "x", content: bytes };
}

function form(parts: readonly Part[]): Form {
  const pieces = parts.flatMap(({ name, filename, content: bytes }) => {
    const file = filename === undefined ? "" : `; filename="${filename}"`;
    return [
      Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n`),
      bytes,
      Buffer.from("\r\n"),
    ];
  });
  return {
    contentType: TYPE,
    body: Buffer.concat([...pieces, Buffer.from(`--${BOUNDARY}--\r\n`)]),
    faults: [],
  };
}
