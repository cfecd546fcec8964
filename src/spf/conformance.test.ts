/** The published test suite of RFC 7208, explanations included, and a second project's scenarios. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ipAddressOf } from "../address/ip-address.ts";
import { parseIpAddress } from "../lib/ip-network.ts";
import type { RecordType } from "../ports/resolver.ts";
import { readVectors, vectorPath } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { parseYamlDocuments, type Yaml, yamlMap, yamlText } from "../testing/simple-yaml.ts";
import { StaticResolver } from "../testing/static-resolver.ts";
import { parseClient, reverseName } from "./client-address.ts";
import { checkSender } from "./spf.ts";

interface Case {
  readonly name: string;
  readonly resolver: StaticResolver;
  readonly helo: string;
  readonly clientAddress: string;
  readonly mailfrom: string;
  readonly results: readonly string[];
  /** "": none may be given. */
  readonly explanation: string | undefined;
}

test("the published SPF test suite (openspf 2014.04)", async (t) => {
  const path = vectorPath(t, "spf", "rfc7208-tests.yml");
  if (path === undefined) return;
  const cases = parseYamlDocuments(readFileSync(path, "utf8")).flatMap(officialCases);
  await runVectors(t, "spf/rfc7208", cases, ({ name }) => name, run);
});

test("the scenarios of a second project", async (t) => {
  const scenarios = readVectors<Scenario[]>(t, "spf", "extra-scenarios.json");
  if (scenarios === undefined) return;
  const cases = scenarios.flatMap(extraCases);
  await runVectors(t, "spf/extra", cases, ({ name }) => name, run);
});

async function run({ resolver, helo, clientAddress, mailfrom, results, explanation }: Case): Promise<void> {
  const at = mailfrom.lastIndexOf("@");
  const reversePath =
    mailfrom === "" ? null : { localPart: mailfrom.slice(0, Math.max(at, 0)), domain: mailfrom.slice(at + 1) };
  const query = { clientAddress, hello: helo, reversePath, receiverName: "receiver.example" };
  const { mailfrom: outcome } = await checkSender(query, { resolver, now: 0 });
  assert.ok(results.includes(outcome.result), `${outcome.result} (${outcome.reason}), not ${results.join(" or ")}`);
  if (explanation !== undefined) assert.equal(outcome.explanation ?? "", explanation);
}

function officialCases(document: Yaml): Case[] {
  const { description, tests, zonedata } = document as {
    readonly description: string;
    readonly tests: Readonly<Record<string, Readonly<Record<string, Yaml>>>>;
    readonly zonedata: Readonly<Record<string, readonly Yaml[]>>;
  };
  const resolver = officialZone(zonedata);
  return Object.entries(tests).map(([name, { helo, host, mailfrom, result, explanation }]) => ({
    name: `${description}: ${name}`,
    resolver,
    helo: yamlText(helo),
    clientAddress: yamlText(host),
    mailfrom: yamlText(mailfrom),
    results: typeof result === "string" ? [result] : (result as readonly string[]),
    explanation: explanation === "DEFAULT" ? "" : (explanation as string | undefined),
  }));
}

/** `SPF` entries are TXT records, unless the name has TXT entries of its own; `TXT: NONE` is one that says "none". */
function officialZone(zonedata: Readonly<Record<string, readonly Yaml[]>>): StaticResolver {
  const resolver = new StaticResolver();
  for (const [name, entries] of Object.entries(zonedata)) {
    resolver.add(name, "TXT");
    const hasTxt = entries.some((entry) => typeof entry === "object" && entry !== null && "TXT" in entry);
    for (const entry of entries) {
      if (entry === "TIMEOUT") resolver.fail(name, undefined, "time-out");
      else {
        const [type, value = ""] = Object.entries(yamlMap(entry))[0] ?? [""];
        if (type === "SPF") {
          if (!hasTxt) resolver.add(name, "TXT", typeof value === "string" ? value : (value as string[]).join(""));
        } else if (type === "MX") resolver.addMx(name, (value as string[]).join(" "));
        else if (value !== "NONE") resolver.add(name, type as RecordType & ("A" | "TXT"), yamlText(value));
      }
    }
  }
  return resolver;
}

interface Scenario {
  readonly file: string;
  readonly name: string;
  readonly records: readonly {
    readonly type: RecordType;
    readonly name?: string;
    readonly ip?: string;
    readonly value?: string;
    readonly values?: readonly (string | { readonly preference: number; readonly exchange: string })[];
  }[];
  readonly tests: readonly {
    readonly helo: string;
    readonly mailfrom: string;
    readonly ip: string;
    readonly result: string;
    readonly explanation?: string;
  }[];
}

function extraCases({ file, name, records, tests }: Scenario): Case[] {
  const resolver = new StaticResolver().fail("_dns_error.test.org");
  for (const { type, ip, value, values = [], ...record } of records) {
    const client = ip === undefined ? undefined : parseClient(ip);
    const owner = client === undefined ? (record.name ?? "") : reverseName(client);
    for (const data of value === undefined ? values : [value]) {
      if (typeof data !== "string") resolver.add(owner, "MX", data);
      else if (type === "AAAA") {
        resolver.add(owner, type, ipAddressOf(parseIpAddress(data) ?? Uint8Array.of(0, 0, 0, 0)).text);
      } else resolver.add(owner, type as RecordType & ("A" | "TXT"), data);
    }
  }
  return tests.map(({ helo, mailfrom, ip, result, explanation }, index) => ({
    name: `${file}/${name}/${index + 1}`,
    resolver,
    helo,
    clientAddress: ip,
    mailfrom,
    results: [result],
    explanation,
  }));
}
