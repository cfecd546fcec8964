import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { BodyHashes } from "../dkim/body-hashes.ts";
import { HeaderCollector, parseHeaderFields } from "../message/header-section.ts";
import { conformancePath, readVectors, runVectors } from "../testing/conformance-data.ts";
import { parseYamlDocuments, yamlMap, yamlText } from "../testing/simple-yaml.ts";
import { StaticResolver } from "../testing/static-resolver.ts";
import type { ArcOutcome } from "./arc-outcome.ts";
import { ArcValidator } from "./arc-validator.ts";

interface ArcVector {
  readonly name: string;
  readonly message: string;
  readonly expected: string;
  readonly records: Readonly<Record<string, string>>;
}

async function validate(message: string, resolver: StaticResolver, now: number): Promise<ArcOutcome> {
  const collector = new HeaderCollector();
  collector.push(Buffer.from(message.replaceAll(/\r?\n/g, "\r\n")));
  const result = collector.end();
  assert.ok(result.kind === "complete");
  const bodies = new BodyHashes();
  const validator = new ArcValidator(parseHeaderFields(result.header), bodies, { resolver, now });
  bodies.push(result.rest);
  bodies.end();
  return validator.finish();
}

function readScenarios(t: TestContext): readonly ArcVector[] | undefined {
  const path = conformancePath("arc", "arc-draft-validation-tests.yml");
  if (path === undefined) {
    t.skip("no data");
    return undefined;
  }
  return parseYamlDocuments(readFileSync(path, "utf8")).flatMap((document) => {
    const scenario = yamlMap(document);
    const records = Object.fromEntries(
      Object.entries(yamlMap(scenario["txt-records"])).map(([name, text]) => [name, yamlText(text).trim()]),
    );
    return Object.entries(yamlMap(scenario["tests"])).map(([name, value]) => ({
      name,
      message: yamlText(yamlMap(value)["message"]),
      expected: yamlText(yamlMap(value)["cv"]).toLowerCase(),
      records,
    }));
  });
}

test("ARC-001, ARC-002, ARC-003: the published validation suite", async (t) => {
  const vectors = readScenarios(t);
  if (vectors === undefined) return;
  assert.equal(vectors.length, 117);
  await runVectors(
    t,
    "arc/validation",
    vectors,
    ({ name }) => name,
    async ({ message, expected, records }) => {
      const resolver = new StaticResolver();
      for (const [name, text] of Object.entries(records)) resolver.add(name, "TXT", text);
      const outcome = await validate(message, resolver, 1_700_000_000_000);
      // No expectation: the drafts did not agree; RFC 8617 §5.2 has all of these fail.
      assert.equal(outcome.result, expected === "" ? "fail" : expected, outcome.detail);
    },
  );
});

interface ExtraVector {
  readonly expect: string;
  readonly now: number;
  readonly dns: Readonly<Record<string, { readonly TXT: readonly (readonly string[])[] }>>;
}

test("ARC-002: a real message that Google sealed", async (t) => {
  const vector = readVectors<ExtraVector>(t, "arc", "extra", "mail-auth-001.json");
  const path = conformancePath("arc", "extra", "mail-auth-001.eml");
  if (vector === undefined || path === undefined) return;
  await runVectors(
    t,
    "arc/extra",
    [vector],
    () => "mail-auth-001",
    async ({ expect, now, dns }) => {
      const resolver = new StaticResolver();
      for (const [name, { TXT }] of Object.entries(dns)) {
        resolver.add(name, "TXT", ...TXT.map((strings) => strings.join("")));
      }
      const outcome = await validate(readFileSync(path, "latin1"), resolver, now * 1000);
      assert.equal(outcome.result, expect, outcome.detail);
      assert.deepEqual(outcome.sealers, ["google.com"]);
      assert.equal(outcome.oldestPass, 0);
      assert.match(outcome.newestResults ?? "", /^mx\.google\.com;/);
    },
  );
});
