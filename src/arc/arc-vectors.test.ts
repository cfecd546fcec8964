import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { BodyHashes } from "../dkim/body-hashes.ts";
import { headerHashInput } from "../dkim/canonicalization.ts";
import { signData } from "../dkim/signer.ts";
import { readPrivateKey, type SigningKey } from "../dkim/signing-key.ts";
import { parseTagList } from "../dkim/tag-list.ts";
import { bearsAuthservId } from "../message/authentication-results.ts";
import { type HeaderSection, parseHeaderFields } from "../message/header-section.ts";
import { caseFile, vectorPath } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { parseYamlDocuments, yamlMap, yamlText } from "../testing/simple-yaml.ts";
import { StaticResolver } from "../testing/static-resolver.ts";
import { TestCrypto } from "../testing/test-crypto.ts";
import { readChain } from "./arc-chain.ts";
import { ArcSealer } from "./arc-sealer.ts";
import { now, resolverWith, takeApart, validate } from "../testing/arc-fixture.ts";
import { SealedFields } from "./sealed-fields.ts";

interface ArcVector {
  readonly name: string;
  readonly message: string;
  readonly expected: string;
  readonly records: Readonly<Record<string, string>>;
}

function readScenarios(t: TestContext): readonly ArcVector[] | undefined {
  const path = vectorPath(t, "arc", "arc-draft-validation-tests.yml");
  if (path === undefined) return undefined;
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
  await runVectors(
    t,
    "arc/validation",
    vectors,
    ({ name }) => name,
    async ({ message, expected, records }) => {
      const resolver = new StaticResolver();
      for (const [name, text] of Object.entries(records)) resolver.add(name, "TXT", text);
      const outcome = await validate(message.replaceAll(/\r?\n/g, "\r\n"), resolver, 1_700_000_000_000);
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

test("ARC-002: real messages that others sealed", async (t) => {
  const folder = vectorPath(t, "arc", "extra");
  if (folder === undefined) return;
  const names = globSync("*.json", { cwd: folder }).toSorted();
  await runVectors(
    t,
    "arc/extra",
    names.map((name) => name.slice(0, -".json".length)),
    (name) => name,
    async (name) => {
      const { expect, now, dns } = JSON.parse(readFileSync(`${folder}/${name}.json`, "utf8")) as ExtraVector;
      const resolver = new StaticResolver();
      for (const [name, { TXT }] of Object.entries(dns)) {
        resolver.add(name, "TXT", ...TXT.map((strings) => strings.join("")));
      }
      const message = caseFile("arc", "extra", `${name}.eml`).toString("latin1").replaceAll(/\r?\n/g, "\r\n");
      const outcome = await validate(message, resolver, now * 1000);
      assert.equal(outcome.result, expect, outcome.detail);
      // A message that Google sealed; the vector says nothing about these.
      if (name !== "mail-auth-001") return;
      assert.deepEqual(outcome.sealers, ["google.com"]);
      assert.equal(outcome.oldestPass, 0);
      assert.match(outcome.sealersFound?.[0] ?? "", /^mx\.google\.com;/);
    },
  );
});

interface SigningVector {
  readonly name: string;
  readonly message: string;
  readonly key: SigningKey;
  readonly seconds: string;
  readonly names: string;
  readonly host: string;
  readonly expected: { readonly seal: string; readonly message: string; readonly results: string };
}

function readSigningScenarios(t: TestContext): readonly SigningVector[] | undefined {
  const path = vectorPath(t, "arc", "arc-draft-sign-tests.yml");
  if (path === undefined) return undefined;
  return parseYamlDocuments(readFileSync(path, "utf8")).flatMap((document) => {
    const scenario = yamlMap(document);
    const read = readPrivateKey(yamlText(scenario["privatekey"]));
    assert.ok(read.kind === "key");
    const domain = yamlText(scenario["domain"]);
    const key = { domain, selector: yamlText(scenario["sel"]), algorithm: read.algorithm, key: read.key };
    return Object.entries(yamlMap(scenario["tests"])).map(([name, value]) => {
      const given = yamlMap(value);
      return {
        name,
        key,
        message: yamlText(given["message"]).replaceAll("\n", "\r\n"),
        seconds: yamlText(given["t"]),
        names: yamlText(given["sig-headers"]),
        host: yamlText(given["srv-id"]),
        expected: {
          seal: yamlText(given["AS"]),
          message: yamlText(given["AMS"]),
          results: yamlText(given["AAR"]),
        },
      };
    });
  });
}

/** The host's results as the suite wants them put together: those of its own fields, in their order. */
function resultsOf(header: HeaderSection, host: string): string {
  const own = header.all("authentication-results").filter((field) => bearsAuthservId(field, [host]));
  return own.map((field) => field.value.slice(field.value.indexOf(";")).trim()).join("");
}

function compact(text: string): string {
  return text.replaceAll(/\s+/g, "");
}

/** `text` in the layout that the suite prescribes: tags in order of their names, one space behind each semicolon. */
function standardField(name: string, tags: Readonly<Record<string, string>>): Buffer {
  const sorted = Object.entries(tags).toSorted(([left], [right]) => (left < right ? -1 : 1));
  return Buffer.from(`${name}: ${sorted.map(([tag, value]) => `${tag}=${value}`).join("; ")}\r\n`);
}

test("ARC-003, ARC-005: the published signing suite", async (t) => {
  const vectors = readSigningScenarios(t);
  if (vectors === undefined) return;
  await runVectors(t, "arc/signing", vectors, ({ name }) => name, checkSigning);
});

/**
 * Signatures depend on how a field is laid out, and ours is another layout than the suite's. So what is signed is checked
 * in the suite's layout, and the sealer's own fields tag by tag and by the validator.
 */
async function checkSigning({ message, key, seconds, names, host, expected }: SigningVector): Promise<void> {
  const { header, rest } = takeApart(message);
  const resolver = resolverWith(key);
  const arc = await validate(message, resolver);
  const results = resultsOf(header, host);
  const [, validation = ""] = /arc=(\w+)/.exec(results) ?? [];
  assert.equal(arc.result, validation);
  const wantedSeal = parseTagList(compact(expected.seal));
  const wantedMessage = parseTagList(compact(expected.message));
  assert.ok(wantedSeal && wantedMessage);

  const bodies = new BodyHashes();
  const bodyHash = bodies.request("relaxed", "sha256");
  bodies.push(rest);
  bodies.end();
  const instance = String(arc.instance + 1);
  const common = { a: key.algorithm, d: key.domain, i: instance, s: key.selector, t: seconds };
  const bh = bodyHash.digest().toString("base64");
  const messageTags = { ...common, bh, c: "relaxed/relaxed", h: names };
  const crypto = new TestCrypto();
  const messageData = headerHashInput({
    header,
    names: names.split(":"),
    canonicalization: "relaxed",
    signatureField: standardField("ARC-Message-Signature", { ...messageTags, b: "" }),
  });
  const messageSignature = (await signData(key, messageData, crypto)).toString("base64");
  assert.equal(messageSignature, wantedMessage.get("b"));

  const sealTags = { ...common, cv: validation };
  const set = {
    results: {
      raw: Buffer.from(`ARC-Authentication-Results: ${expected.results.trim().replaceAll("\n", "\r\n ")}\r\n`),
    },
    message: { raw: standardField("ARC-Message-Signature", { ...messageTags, b: messageSignature }) },
    seal: { raw: standardField("ARC-Seal", { ...sealTags, b: "" }) },
  };
  const earlier = validation === "pass" ? readChain(header, now).sets : [];
  const sealData = new SealedFields([...earlier, set]).under(set);
  assert.equal((await signData(key, sealData, crypto)).toString("base64"), wantedSeal.get("b"));

  const sealer = new ArcSealer(header, bodies, { key, crypto, now: Number(seconds) * 1000, authservId: host });
  const result = await sealer.finish({ arc, results });
  assert.ok(result.kind === "sealed");
  const fields = parseHeaderFields(Buffer.from(result.fields));
  for (const [name, tags] of [["arc-seal", sealTags] as const, ["arc-message-signature", { ...common, bh }] as const]) {
    const made = parseTagList(fields.first(name)?.value ?? "");
    for (const [tag, value] of Object.entries(tags)) assert.equal(made?.get(tag), value, `${name} ${tag}=`);
  }
  assert.equal(compact(fields.first("arc-authentication-results")?.value ?? ""), compact(expected.results));
  const sealed = await validate(result.fields + message, resolver);
  assert.equal(sealed.result, validation === "fail" ? "fail" : "pass", sealed.detail);
}
