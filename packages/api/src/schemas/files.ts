// Files in and out of a sandbox.
import { type Static, Type } from "typebox";
import { GuestPath } from "./fields.ts";

export const ReadFileRequest = Type.Object(
  { path: GuestPath("Absolute path of a regular file.") },
  {
    $id: "ReadFileRequest",
    additionalProperties: false,
    description: "Which file to read.",
    examples: [{ path: "/home/user/data.csv" }],
  },
);
export type ReadFileRequest = Static<typeof ReadFileRequest>;

/** A `multipart/form-data` body; the parts are checked while they stream, not as JSON. */
export const WriteFileForm = Type.Object(
  {
    path: GuestPath("Absolute path to write to. Missing directories are made."),
    file: Type.String({ format: "binary", description: "The content." }),
  },
  {
    $id: "WriteFileForm",
    additionalProperties: false,
    description: "Where to write, and what.",
    examples: [{ path: "/home/user/data.csv", file: "a,b\n1,2\n" }],
  },
);
export type WriteFileForm = Static<typeof WriteFileForm>;

/** The content of a file, as raw bytes. */
export const FileContent = Type.String({ format: "binary", description: "The bytes of the file." });
