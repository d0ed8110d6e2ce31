// Whether an answer is one that the document allows for a request.
import assert from "node:assert/strict";
import { ERROR_CODES, isErrorCode } from "@wrenn/core";
import { violation } from "./document.ts";
import { expectedStatuses } from "./fault.ts";
import { curl, type FuzzRequest, faultsOf } from "./request.ts";
import type { Answer } from "./send.ts";

/** Throws what is wrong with an answer, with the request as a command. */
export function checkAnswer(request: FuzzRequest, answer: Answer, base: string): void {
  try {
    checkStatus(request, answer);
    checkBody(request, answer);
  } catch (cause) {
    throw new Error(
      `${request.operation.id}: ${(cause as Error).message}\n` +
        `  wrong with the request: ${faultsOf(request)}\n` +
        `  answer: ${answer.status} ${answer.body.toString().slice(0, 500)}\n` +
        `  ${curl(request, base)}`,
      { cause },
    );
  }
}

function checkStatus({ operation, faults, early }: FuzzRequest, { status }: Answer): void {
  assert.ok(operation.answers.has(status), `${status} is not documented`);
  // Documented, but each of them would mean that something is broken here and now.
  assert.ok(status < 500 || status === 501, `${status} on a healthy platform`);
  const expected = expectedStatuses(faults, early);
  assert.ok(!expected || expected.has(status), `${status} instead of ${[...(expected ?? [])].join(" or ")}`);
}

function checkBody({ operation, faults }: FuzzRequest, { status, headers, body }: Answer): void {
  const { contentType, schema, description = "" } = operation.answers.get(status) ?? {};
  assert.match(String(headers["x-request-id"]), /^[\w.-]{1,64}$/, "x-request-id");
  if (contentType === undefined || schema === undefined) {
    assert.equal(body.length, 0, "a body where none is documented");
    return;
  }
  assert.equal(headers["content-type"]?.split(";")[0], contentType, "content-type");
  if (contentType !== "application/json") return;
  const value: unknown = JSON.parse(body.toString());
  assert.equal(violation(schema, value), undefined);
  if (status < 400) return;
  const { error } = value as { error: { code: string; message: string; field?: string } };
  assert.ok(
    isErrorCode(error.code) && ERROR_CODES[error.code].http === status,
    `${error.code} is not a ${status}`,
  );
  assert.ok(description.includes(`\`${error.code}\``), `${error.code} is not documented`);
  assert.notEqual(error.message, "");
  if (faults.length === 1 && faults[0]?.named) assert.ok(error.field, "the error names no field");
}
