/** The configuration as JSON Schema, for editors: `#:schema` in a TOML file makes them complete and check. */
import { z } from "zod";
import { settingKindOf } from "../lib/setting-types.ts";
import { settingsSchema } from "./settings-schema.ts";

export type JsonSchema = z.core.JSONSchema.BaseSchema;

const secretForms: JsonSchema = {
  anyOf: [
    { type: "string" },
    {
      type: "object",
      properties: { file: { type: "string", description: "File that holds it; a relative path starts here." } },
      required: ["file"],
      additionalProperties: false,
    },
    {
      type: "object",
      properties: { env: { type: "string", description: "Environment variable that holds it." } },
      required: ["env"],
      additionalProperties: false,
    },
  ],
};

/** Of what is written in the file, so defaults are not required and times are text. */
export function settingsJsonSchema(): JsonSchema {
  return z.toJSONSchema(settingsSchema, {
    io: "input",
    override: ({ zodSchema, jsonSchema }) => {
      const kind = settingKindOf(zodSchema);
      // Our own marks mean nothing to editors.
      delete jsonSchema["kind"];
      if (kind !== "secret") return;
      const { description } = jsonSchema;
      for (const key of Object.keys(jsonSchema)) Reflect.deleteProperty(jsonSchema, key);
      Object.assign(jsonSchema, secretForms, description === undefined ? {} : { description });
    },
  });
}
