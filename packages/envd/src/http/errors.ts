// Failures of the plain HTTP routes.
import type { WrennError } from "@wrenn/core";

/** `{message, code, error_code, field?}`: `code` is the HTTP status, which clients branch on; `error_code` is ours. */
export function errorResponse(error: WrennError): Response {
  const body = {
    message: error.message,
    code: error.httpStatus,
    error_code: error.code,
    ...(error.field === undefined ? {} : { field: error.field }),
  };
  return Response.json(body, { status: error.httpStatus });
}
