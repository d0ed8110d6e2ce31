// Naming a schema once and pointing at it everywhere else.
import { type Static, type TSchema, type TUnsafe, Type } from "typebox";

/** A schema with an `$id`: it becomes a component of the OpenAPI document. */
export type NamedSchema = TSchema & { $id: string };

/** A reference (`Name#`) to a named schema that keeps its static type. */
export function ref<const T extends TSchema>(schema: T): TUnsafe<Static<T>> {
  const { $id } = schema as { $id?: string };
  if ($id === undefined) throw new Error("only a schema with an $id can be referred to");
  return Type.Unsafe<Static<T>>(Type.Ref(`${$id}#`));
}
