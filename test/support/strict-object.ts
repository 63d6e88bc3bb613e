/** Checks an object against the API's own description, as a server that refuses unknown fields does. */
import * as models from "@kubernetes/client-node";

interface Attribute {
  readonly baseName: string;
  /** `string`, `V1Pod`, `Array<V1Pod>`, `{ [key: string]: string; }` and so on. */
  readonly type: string;
}

/** Values that are no objects, by the description's name of their type. */
const SCALARS: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  boolean: (value) => typeof value === "boolean",
  IntOrString: (value) => typeof value === "string" || Number.isInteger(value),
};

/** What is wrong with the object, each with its path; empty when nothing is. Versions other than v1 are unknown. */
export function objections(object: { readonly kind?: unknown }): readonly string[] {
  return Array.from(check(object, `V1${object.kind}`, String(object.kind)));
}

function* check(value: unknown, type: string, path: string): Generator<string> {
  const [, item] = /^Array<(.*)>$/.exec(type) ?? [];
  const [, entry] = /^\{ \[key: string\]: (.*); \}$/.exec(type) ?? [];
  if (item !== undefined) {
    if (!Array.isArray(value)) return yield `${path} is not a list`;
    for (const [index, each] of value.entries()) yield* check(each, item, `${path}[${index}]`);
  } else if (entry !== undefined) {
    if (!isMapping(value)) return yield `${path} is not a mapping`;
    for (const [key, each] of Object.entries(value)) yield* check(each, entry, `${path}.${key}`);
  } else if (type in SCALARS) {
    if (!SCALARS[type]?.(value)) yield `${path} is not of type ${type}`;
  } else {
    yield* checkFields(value, type, path);
  }
}

function* checkFields(value: unknown, type: string, path: string): Generator<string> {
  const model = (models as unknown as Record<string, { attributeTypeMap?: readonly Attribute[] }>)[type];
  if (model?.attributeTypeMap === undefined) return yield `${path} has the unknown type ${type}`;
  if (!isMapping(value)) return yield `${path} is not a mapping`;
  const known = new Map(model.attributeTypeMap.map((attribute) => [attribute.baseName, attribute.type]));
  for (const [field, each] of Object.entries(value)) {
    const fieldType = known.get(field);
    if (fieldType === undefined) yield `${path}.${field} is not a field of ${type}`;
    else yield* check(each, fieldType, `${path}.${field}`);
  }
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
