import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { startErrors } from "../cli/running-server.ts";
import { catalogue } from "../events/catalogue.ts";
import { makeSelfSigned } from "../node/tls/self-signed.ts";
import { MemoryFiles } from "../testing/memory-files.ts";
import { testKey } from "../testing/test-crypto.ts";
import { configProblems } from "./config-problem.ts";
import { settingsJsonSchema } from "./json-schema.ts";
import { loadSettings } from "./load-settings.ts";
import { configWarnings } from "./settings-warnings.ts";
import { exampleToml, settingsReference } from "./reference.ts";

const page = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");
const codesIn = (text: string) => [...text.matchAll(/^\| `([a-z][\w-]*)` \|/gm)].map(([, code]) => code);

test("docs/errors.md lists every code of an error, and none that does not exist", () => {
  assert.deepEqual(codesIn(page("errors.md")), [
    ...Object.keys(configProblems),
    ...Object.keys(configWarnings),
    ...Object.keys(startErrors),
  ]);
});

test("docs/log-events.md lists every event, and none that does not exist", () => {
  const text = page("log-events.md");
  assert.deepEqual(
    Array.from(text.matchAll(/^### `([a-z-]+)`$/gm), ([, name]) => name),
    Object.keys(catalogue),
  );
});

test("the settings' pages are what the declarations say", () => {
  assert.ok(page("settings/README.md").endsWith(settingsReference()));
  assert.equal(page("settings/posthaste.example.toml"), exampleToml());
  assert.deepEqual(
    JSON.parse(page("settings/posthaste.schema.json")),
    JSON.parse(JSON.stringify(settingsJsonSchema())),
  );
});

async function load(text: string) {
  const files = new MemoryFiles();
  await files.makeDirectory("/etc");
  await files.replaceFile("/etc/posthaste.toml", Buffer.from(text));
  await files.replaceFile("/etc/relay.secret", Buffer.from("a secret of the relay\n"));
  await files.replaceFile("/etc/house-ca.pem", Buffer.from(makeSelfSigned("House CA", 0).certificatePem));
  await files.replaceFile("/etc/mail.example.org.pem", Buffer.from(testKey("rsa")));
  await files.replaceFile("/etc/srs.secret", Buffer.from("a secret of thirty-two letters..\n"));
  await files.replaceFile("/etc/admin.token", Buffer.from("a token of twenty letters\n"));
  return await loadSettings("/etc/posthaste.toml", {
    files,
    environment: {},
    importModule: () => Promise.reject(new Error("no modules here")),
  });
}

test("the example is a right configuration, and its commented defaults are the defaults", async () => {
  const example = exampleToml();
  const { settings } = await load(example);
  // Every key uncommented, apart from what only some kinds of route or listener take.
  const whole = example
    .replaceAll(/^# (\[\[?[\w.]+\]?\]|\w+ = )/gm, "$1")
    .replace(/^path = .*$/m, "")
    .replace(/^client_ca = .*$/m, "")
    .replace(/^\[tls\.acme\]\n(?:[#\w].*\n)*/m, "")
    .replace(/^listen = "127.0.0.1:8025"$/m, 'listen = "127.0.0.1:8025"');
  const { settings: explicit } = await load(whole);
  for (const section of ["queue", "limits", "outbound", "history", "log"] as const) {
    assert.deepEqual(explicit[section], settings[section], section);
  }
  assert.equal(explicit.route[0]?.auth?.password, "a secret of the relay");
});

test("every setting has a meaning", () => {
  const visit = (name: string, schema: Record<string, unknown>): void => {
    const properties = (schema["properties"] ?? {}) as Record<string, Record<string, unknown>>;
    for (const [key, value] of Object.entries(properties)) {
      const items = value["items"] as Record<string, unknown> | undefined;
      const table = items?.["type"] === "object" ? items : value;
      assert.ok(table["description"] ?? value["description"], `${name}${key} has no description`);
      visit(`${name}${key}.`, table);
    }
  };
  visit("", settingsJsonSchema() as Record<string, unknown>);
});
