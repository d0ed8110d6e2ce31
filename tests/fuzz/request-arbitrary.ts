// Requests of an operation: as documented, or with something wrong in one or several of their parts.
import { LIMITS } from "@wrenn/core";
import fc from "fast-check";
import { DICTIONARY } from "./dictionary.ts";
import type { Operation, Parameter, Schema } from "./document.ts";
import type { Fault, Layer } from "./fault.ts";
import { type Fixtures, subject } from "./fixtures.ts";
import { invalidJson, validJson } from "./json-body.ts";
import { type Form, invalidForm, validForm } from "./multipart.ts";
import { invalidQuery, validQuery } from "./query-arbitrary.ts";
import { type FuzzRequest, shown } from "./request.ts";
import { invalidTexts, validText } from "./text-arbitrary.ts";

/** A port that any sandbox may be asked for. */
const PORT = "8080";

type Headers = readonly (readonly [name: string, value: string])[];

/** What one part of a request adds to it. */
interface Part {
  path?: string;
  query?: string;
  headers?: Headers;
  body?: Buffer | undefined;
  chunked?: boolean;
  faults: readonly Fault[];
  early?: readonly number[];
}

type PartName = "path" | "query" | "key" | "headers" | "body";

/** A request that the document allows. */
export function validRequest(operation: Operation, fixtures: Fixtures): fc.Arbitrary<FuzzRequest> {
  return request(operation, fixtures, []);
}

/** A request that must be refused, for one reason or for several at once. */
export function invalidRequest(operation: Operation, fixtures: Fixtures): fc.Arbitrary<FuzzRequest> {
  const names: PartName[] = ["query"];
  if (of(operation, "path").length > 0) names.push("path");
  if (of(operation, "header").length > 0) names.push("headers");
  if (operation.key === "needed") names.push("key");
  if (operation.body) names.push("body", "body");
  return fc
    .subarray(names, { minLength: 1, maxLength: Math.min(3, names.length) })
    .chain((wrong) => request(operation, fixtures, wrong))
    .filter(({ faults }) => faults.length > 0);
}

function request(operation: Operation, fixtures: Fixtures, wrong: PartName[]): fc.Arbitrary<FuzzRequest> {
  const part = (
    name: PartName,
    make: (operation: Operation, fixtures: Fixtures, wrong: boolean) => fc.Arbitrary<Part>,
  ) => make(operation, fixtures, wrong.includes(name));
  return fc
    .tuple(
      part("path", pathPart),
      part("query", queryPart),
      part("key", keyPart),
      part("headers", headerPart),
      part("body", bodyPart),
    )
    .map((parts) => {
      const all: Part = Object.assign({}, ...parts);
      return shown({
        operation,
        target: `${all.path ?? operation.path}${all.query ?? ""}`,
        headers: parts.flatMap(({ headers = [] }) => headers),
        body: all.body,
        chunked: all.chunked ?? false,
        faults: parts.flatMap(({ faults }) => faults),
        early: parts.flatMap(({ early = [] }) => early),
      });
    });
}

function pathPart(operation: Operation, fixtures: Fixtures, wrong: boolean): fc.Arbitrary<Part> {
  const [parameter] = of(operation, "path");
  if (!parameter) return fc.constant({ faults: [] });
  const inPath = (segment: string, faults: Fault[]): Part => ({
    path: operation.path.replace(/\{[^}]+\}/, () => segment).replace("{port}", PORT),
    faults,
  });
  if (!wrong) {
    return validPath(operation, fixtures, parameter.schema).map(([segment, early]) => ({
      ...inPath(segment, []),
      early,
    }));
  }
  const malformed = invalidTexts(parameter.schema)
    .filter((text) => text.isWellFormed())
    .map((text) => inPath(encodeURIComponent(text), [malformedName(text)]));
  const undecodable = ["%ff", "%zz", "%", "%c0%af", "a%2"].map((text) =>
    inPath(text, [fault("route", [400, 404, 401], `the path segment ${text}`)]),
  );
  const strangers = isSandbox(operation)
    ? fc.oneof(
        fc.constant(inPath(fixtures.foreign, [fault("resource", [404], "another owner's sandbox")])),
        validText(parameter.schema).map((id) =>
          inPath(id, [fault("resource", [404], "a sandbox that is not there")]),
        ),
        ...(operation.answers.has(409)
          ? [fc.constant(inPath(fixtures.stopped, [fault("state", [409], "a deleted sandbox")]))]
          : []),
      )
    : fc.constantFrom(...malformed);
  return fc.oneof(strangers, fc.constantFrom(...malformed), fc.constantFrom(...undecodable));
}

function validPath(
  operation: Operation,
  fixtures: Fixtures,
  schema: Schema,
): fc.Arbitrary<[segment: string, early: number[]]> {
  if (!isSandbox(operation)) return validText(schema).map((text) => [encodeURIComponent(text), []]);
  const { id, uncertain } = subject(operation, fixtures);
  return fc.constant([id, uncertain ? [409] : []]);
}

/** What the router cannot take for a name is a 404 without a look at the key. */
function malformedName(text: string): Fault {
  const name = JSON.stringify(text).slice(0, 40);
  const unroutable = text === "" || text === "." || text === ".." || encodeURIComponent(text).length > 90;
  return unroutable
    ? fault("route", [404, 401], `the name ${name}`)
    : fault("resource", [404], `the name ${name}`);
}

function queryPart(operation: Operation, _: Fixtures, wrong: boolean): fc.Arbitrary<Part> {
  const parameters = of(operation, "query");
  if (!wrong) return validQuery(parameters).map(({ text }) => ({ query: text, faults: [] }));
  return invalidQuery(parameters).map(({ text, wrong: what }) => ({
    query: text,
    faults: [{ ...fault("input", [400], `the query ${what}`), named: true }],
  }));
}

function keyPart(
  { key: need }: Operation,
  { key, revokedKey }: Fixtures,
  wrong: boolean,
): fc.Arbitrary<Part> {
  const header = "x-api-key";
  const right: Headers[] = [[[header, key]], [["X-API-Key", key]], [[header, key.replace("wrn_", "e2b_")]]];
  const absent: Headers = [];
  if (need !== "needed") return fc.constantFrom(...right, absent).map((headers) => ({ headers, faults: [] }));
  if (!wrong) return fc.constantFrom(...right).map((headers) => ({ headers, faults: [] }));
  const unknown = fc.stringMatching(/^(?:wrn|e2b)_[0-9a-f]{64}$/);
  const malformed = [
    "",
    "wrn_",
    key.toUpperCase(),
    key.slice(0, -1),
    `${key}0`,
    key.slice(4),
    `Bearer ${key}`,
    `${key}, ${key}`,
    key.replace("wrn_", "sk_"),
    "k".repeat(8000),
    "\u00ff".repeat(68),
    "' or 1=1 --",
  ];
  const lists: fc.Arbitrary<Headers> = fc.oneof(
    fc.constantFrom<Headers>(absent, [["authorization", `Bearer ${key}`]], [[header, revokedKey]]),
    fc.constantFrom(...malformed).map((value): Headers => [[header, value]]),
    unknown.map((value): Headers => [[header, value]]),
    unknown.map(
      (value): Headers => [
        [header, value],
        [header, key],
      ],
    ),
  );
  return lists.map((headers) => ({ headers, faults: [fault("key", [401], "a key that is not valid")] }));
}

function headerPart(operation: Operation, _: Fixtures, wrong: boolean): fc.Arbitrary<Part> {
  const [parameter] = of(operation, "header");
  if (!parameter) return fc.constant({ faults: [] });
  const { name, schema } = parameter;
  if (!wrong) {
    const given = validText(schema).map(
      (text): Part => ({
        headers: [[name, text]],
        faults: [],
        // The same key may have been used for another request of this run.
        early: [409],
      }),
    );
    return fc.oneof(fc.constant<Part>({ faults: [] }), given);
  }
  // A header can hold neither control characters nor what is beyond Latin-1, and loses the spaces around it.
  const sendable = invalidTexts(schema).filter(
    (text) => /^[\t\x20-\x7e\xa0-\xff]*$/.test(text) && text.trim() === text,
  );
  return fc.constantFrom(...sendable).map((text) => ({
    headers: [[name, text]],
    faults: [{ ...fault("input", [400], `the header ${name}`), named: true }],
    early: [400],
  }));
}

function bodyPart(operation: Operation, fixtures: Fixtures, wrong: boolean): fc.Arbitrary<Part> {
  const { body } = operation;
  if (!body) return strayBody();
  if (body.contentType === "multipart/form-data") {
    const paths = DICTIONARY["path"] ?? [];
    const pathFirst = operation.id === "streamWriteFile";
    const maxBytes = pathFirst ? undefined : LIMITS.filesWriteBytes;
    const form = wrong
      ? invalidForm(body.schema, { paths, pathFirst, maxBytes })
      : validForm(body.schema, paths);
    return fc.tuple(form, fc.boolean()).map(([given, chunked]) => formPart(given, chunked));
  }
  const json = wrong ? invalidJson(operation, fixtures) : validJson(operation, fixtures);
  return fc.tuple(json, fc.boolean()).map(([{ contentType, body: bytes, faults }, chunked]) => ({
    headers: contentType === undefined ? [] : [["content-type", contentType]],
    body: bytes,
    chunked,
    faults,
  }));
}

function formPart({ contentType, body, announced, faults }: Form, chunked: boolean): Part {
  const length: Headers = announced === undefined ? [] : [["content-length", String(announced)]];
  return {
    headers: [["content-type", contentType], ...length],
    body,
    chunked: chunked && announced === undefined,
    faults,
  };
}

/** A body where none belongs. Whatever is done about it must be documented. */
function strayBody(): fc.Arbitrary<Part> {
  const stray = fc
    .tuple(
      fc.constantFrom("application/json", "text/plain", "multipart/form-data", "nonsense"),
      fc.constantFrom(
        Buffer.from("{}"),
        Buffer.from("{"),
        Buffer.alloc(0),
        Buffer.alloc(2 * LIMITS.jsonBodyBytes),
      ),
      fc.boolean(),
    )
    .map(([type, body, chunked]): Part => ({ headers: [["content-type", type]], body, chunked, faults: [] }));
  return fc.oneof(
    { arbitrary: fc.constant<Part>({ faults: [] }), weight: 3 },
    { arbitrary: stray, weight: 1 },
  );
}

function of({ parameters }: Operation, place: Parameter["in"]): Parameter[] {
  return parameters.filter((parameter) => parameter.in === place);
}

function isSandbox({ path }: Operation): boolean {
  return path.startsWith("/v1/sandboxes/{id}");
}

function fault(layer: Layer, statuses: number[], what: string): Fault {
  return { layer, statuses, what };
}
