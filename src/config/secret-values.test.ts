/**
 * A value in a wrong place may be a secret that slipped by a line or a bracket: whatever is wrong with it, no message repeats
 * it. Tried at every place that the schema knows, in every form.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryFiles } from "../testing/memory-files.ts";
import { ConfigError } from "./config-problem.ts";
import { type JsonSchema, settingsJsonSchema } from "./json-schema.ts";
import { loadSettings } from "./load-settings.ts";
import type { SettingPath } from "./setting-path.ts";

const text = "hunter2-Zq9v";
const number = 73_194_682;
const forms: readonly unknown[] = [
  text,
  number,
  -number,
  [text],
  [number],
  { x: text },
  { env: text },
  { password: text },
];

/** What stands there, and behind `file`, is the name of a file, which the message must name. */
const namesOfFiles: ReadonlySet<string> = new Set([
  "data_dir",
  "tls.certificate",
  "tls.key",
  "tls.acme.ca",
  "route.0.ca",
  "oauth.issuer.0.ca",
  "oauth.client.0.ca",
  "listener.0.client_ca",
]);

function placesIn(schema: JsonSchema, path: SettingPath = []): readonly SettingPath[] {
  const inner = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap((each) =>
    placesIn(each as JsonSchema, path),
  );
  const items = schema.items === undefined ? [] : placesIn(schema.items as JsonSchema, [...path, 0]);
  const properties = Object.entries(schema.properties ?? {}).flatMap(([key, each]) =>
    placesIn(each as JsonSchema, [...path, key]),
  );
  return [path, ...inner, ...items, ...properties];
}

function valueAtPlace(path: SettingPath, value: unknown): unknown {
  const [part, ...rest] = path;
  if (part === undefined) return value;
  return typeof part === "number" ? [valueAtPlace(rest, value)] : { [part]: valueAtPlace(rest, value) };
}

test("no message about a configuration repeats a value that may be a secret", async () => {
  const places = new Map(placesIn(settingsJsonSchema()).map((path) => [path.join("."), path]));
  assert.ok(places.size > 120, `${places.size} places`);
  const leaks: string[] = [];
  for (const [name, path] of places) {
    if (path.length === 0 || path.at(-1) === "file" || namesOfFiles.has(name)) continue;
    for (const form of forms) {
      const value = {
        hostname: "mail.example.org",
        data_dir: "/data",
        listener: [{ kind: "mx" }],
        ...(valueAtPlace(path, form) as object),
      };
      const sources = {
        files: new MemoryFiles(),
        environment: {},
        importModule: () => Promise.resolve({ default: value }),
      };
      try {
        await loadSettings("/etc/posthaste/posthaste.config.ts", sources);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        for (const { message, code } of error.problems) {
          if (/hunter2|73194682/.test(message)) leaks.push(`${name} = ${JSON.stringify(form)}: ${message} [${code}]`);
        }
      }
    }
  }
  assert.deepEqual(leaks, []);
});
