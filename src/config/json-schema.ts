// The schema as JSON Schema, for editors and for whoever writes the file by program. It says what may be written; which entries fit
// together only `hmpersist config check` knows.
import { z } from "zod";
import { configObject } from "./schema.ts";

/** One node of a JSON Schema, as far as it is read here. */
export interface SchemaNode {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly SchemaNode[];
  readonly items?: SchemaNode;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly required?: readonly string[];
}

export const jsonSchema = (): SchemaNode =>
  ({ title: "hmpersist configuration", ...z.toJSONSchema(configObject, { io: "input" }) }) as SchemaNode;
