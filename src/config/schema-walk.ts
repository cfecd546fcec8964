/**
 * Walks a zod schema along with a value that it may or may not fit: which keys are known at a place, and where the values
 * stand that the loader replaces before validation (secrets and paths).
 */
import type { z } from "zod";
import { type SettingKind, settingKindOf } from "../lib/setting-types.ts";
import type { SettingPath } from "./setting-path.ts";

type Schema = z.core.$ZodType;

/** A copy of `value` in which every marked value is replaced. What does not fit the schema stays as it is. */
export async function replaceMarked(
  schema: Schema,
  value: unknown,
  replace: (kind: SettingKind, value: unknown, path: SettingPath) => Promise<unknown>,
  path: SettingPath = [],
): Promise<unknown> {
  const inner = memberFor(schema, value);
  const kind = inner && markOf(inner);
  if (kind !== undefined) return await replace(kind, value, path);
  const definition = inner && definitionOf(inner);
  if (definition?.type === "array" && Array.isArray(value)) {
    return await Promise.all(
      value.map((element, index) => replaceMarked(definition.element, element, replace, [...path, index])),
    );
  }
  if (definition?.type === "object" && isTable(value)) {
    const copy = Object.create(null) as Record<string, unknown>;
    for (const [key, element] of Object.entries(value)) {
      const shape = Object.hasOwn(definition.shape, key) ? definition.shape[key] : undefined;
      copy[key] = shape ? await replaceMarked(shape, element, replace, [...path, key]) : element;
    }
    return copy;
  }
  return value;
}

/** The keys that a table at `path` may have; none where the schema expects no table. */
export function knownKeysAt(schema: Schema, value: unknown, path: SettingPath): readonly string[] {
  const found = schemaAt(schema, value, path);
  const definition = found && definitionOf(found.schema);
  return definition?.type === "object" ? Object.keys(definition.shape) : [];
}

/** The schema at `path`, seen from the value that is there; a union gives the member that the value means. */
export function schemaAt(
  schema: Schema,
  value: unknown,
  path: SettingPath,
): { readonly schema: Schema; readonly value: unknown } | undefined {
  const inner = memberFor(schema, value);
  const [part, ...rest] = path;
  if (inner === undefined || part === undefined) return inner && { schema: inner, value };
  const definition = definitionOf(inner);
  const element =
    isTable(value) || Array.isArray(value) ? (value as Record<string | number, unknown>)[part] : undefined;
  if (definition.type === "array") return schemaAt(definition.element, element, rest);
  const shape = definition.type === "object" && Object.hasOwn(definition.shape, part) && definition.shape[part];
  return shape ? schemaAt(shape, element, rest) : undefined;
}

/** Without optional, default and the like, and of a union the member that fits the value's form. */
function memberFor(schema: Schema, value: unknown): Schema | undefined {
  if (settingKindOf(schema) !== undefined) return schema;
  const definition = definitionOf(schema);
  switch (definition.type) {
    case "optional":
    case "nullable":
    case "default":
    case "prefault":
    case "nonoptional":
    case "readonly":
    case "catch":
      return memberFor(definition.innerType, value);
    case "pipe":
      return memberFor(definition.in, value);
    case "union": {
      const members = definition.options
        .map((option) => memberFor(option, value))
        .filter((member) => member !== undefined);
      const discriminator = "discriminator" in definition ? String(definition.discriminator) : undefined;
      if (discriminator !== undefined && isTable(value)) {
        const meant = value[discriminator];
        return members.find((member) => acceptsLiteral(member, discriminator, meant)) ?? members[0];
      }
      return members.find((member) => fitsForm(member, value)) ?? members[0];
    }
    default:
      return schema;
  }
}

function acceptsLiteral(schema: Schema, key: string, value: unknown): boolean {
  const definition = definitionOf(schema);
  const shape = definition.type === "object" ? definition.shape[key] : undefined;
  const inner = shape && memberFor(shape, value);
  const literal = inner && definitionOf(inner);
  return literal?.type === "literal" && (literal.values as readonly unknown[]).includes(value);
}

function fitsForm(schema: Schema, value: unknown): boolean {
  const kind = markOf(schema);
  if (kind === "secret") return typeof value === "string" || isTable(value);
  if (kind !== undefined) return typeof value === "string";
  const { type } = definitionOf(schema);
  if (Array.isArray(value)) return type === "array";
  if (isTable(value)) return type === "object" || type === "record";
  return type === typeof value || type === "enum" || type === "literal";
}

function markOf(schema: Schema): SettingKind | undefined {
  const kind = settingKindOf(schema);
  if (kind !== undefined) return kind;
  const definition = definitionOf(schema);
  return definition.type === "pipe" ? settingKindOf(definition.in) : undefined;
}

function definitionOf(schema: Schema): z.core.$ZodTypes["_zod"]["def"] {
  return (schema as z.core.$ZodTypes)._zod.def;
}

export function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
