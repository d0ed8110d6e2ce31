// What a client says on an exec stream, checked as strictly as a request body.
import { ExecClientMessage } from "@wrenn/api";
import { LIMITS, WrennError } from "@wrenn/core";
import type { RawData } from "ws";
import { parseJson } from "../http/json.ts";
import { compile, type Validate } from "../http/validate.ts";

interface Branch {
  properties: { type: { const: string } };
}

/** One check per `type`, so that an error names the field and not "matches none of six schemas". */
const BRANCHES: ReadonlyMap<string, Validate<ExecClientMessage>> = new Map(
  (ExecClientMessage as unknown as { anyOf: Branch[] }).anyOf.map((branch) => [
    branch.properties.type.const,
    compile<ExecClientMessage>(branch),
  ]),
);

/** Throws `invalid_argument` with the field, or `too_large`. */
export function parseClientMessage(data: RawData, isBinary: boolean): ExecClientMessage {
  if (isBinary) throw new WrennError("invalid_argument", "messages are text frames of JSON");
  const bytes = data as Buffer;
  if (bytes.length > LIMITS.jsonBodyBytes) {
    throw new WrennError("too_large", `a message is at most ${LIMITS.jsonBodyBytes} bytes`);
  }
  const value = parseJson(bytes);
  const type = (value as { type?: unknown } | null)?.type;
  const validate = typeof type === "string" ? BRANCHES.get(type) : undefined;
  if (!validate) {
    throw new WrennError("invalid_argument", `type must be one of ${[...BRANCHES.keys()].join(", ")}`, {
      field: "type",
    });
  }
  return validate(value);
}
