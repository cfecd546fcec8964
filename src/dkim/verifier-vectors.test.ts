/** Every message of the collected DKIM vectors, against its expectation. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { HeaderCollector, parseHeaderFields } from "../message/header-section.ts";
import { conformancePath } from "../testing/conformance-data.ts";
import { StaticResolver } from "../testing/static-resolver.ts";
import { BodyHashes } from "./body-hashes.ts";
import type { DkimOutcome } from "./dkim-outcome.ts";
import { parseKeyRecord } from "./public-key.ts";
import { parseSignatureField } from "./signature-field.ts";
import { DkimVerifier } from "./verifier.ts";

interface Case {
  readonly id: string;
  readonly file: string;
  readonly category: string;
  readonly dns: string;
  readonly expect: readonly string[];
  readonly now?: number;
}
interface Zone {
  readonly [name: string]: {
    readonly TXT?: readonly (readonly string[])[];
    readonly rcode?: string;
    readonly CNAME?: string;
  };
}

/** Where the set expects what we do not say, and why. */
const otherwise: Readonly<Record<string, { readonly result: string; readonly why: string }>> = {
  "mailauth-plain-l0": {
    result: "policy",
    why: "RFC 6376 §8.2, §6.1.1: with l=0 the whole body is anybody's; verifiers may treat it as unsigned",
  },
};
/** The one line that needs to know whether the message is internationalized. */
const utf8Refused = "RFC 8616 §5 allows UTF-8 in i=; that it stands in the field makes the message internationalized";

const folder = conformancePath("dkim");
if (folder === undefined) {
  test("DKIM vectors", (t) => t.skip("no data"));
} else {
  const read = (name: string): string => readFileSync(`${folder}/${name}`, "utf8");

  describe("messages", () => {
    const list = JSON.parse(read("cases.json")) as { default_now: number; cases: readonly Case[] };
    for (const item of list.cases) {
      test(`DKIM vector ${item.id} (${item.category}): ${item.expect.join("/")}`, async (t) => {
        const resolver = resolverFor(JSON.parse(read(item.dns)) as Zone);
        const now = (item.now ?? list.default_now) * 1000;
        const outcomes = await verify(readFileSync(`${folder}/${item.file}`), resolver, now);
        const exception = otherwise[item.id];
        if (exception !== undefined) t.diagnostic(exception.why);
        const expected = exception === undefined ? item.expect : [exception.result];
        assert.ok(expected.includes(bestOf(outcomes)), JSON.stringify(outcomes));
      });
    }
  });

  describe("key records", () => {
    const list = JSON.parse(read("key-records.json")) as readonly { record: string; result: string }[];
    for (const { record, result } of list) {
      test(`DKIM-012: ${JSON.stringify(record.slice(0, 80))} is ${result}`, () => {
        const wanted = { ok: "record", error: "malformed", "not-dkim": "not-dkim" }[result];
        assert.equal(parseKeyRecord(record).kind, wanted);
      });
    }
  });

  describe("signature fields", () => {
    const list = JSON.parse(read("signature-headers.json")) as readonly {
      header: string;
      result: string;
      smtputf8: boolean;
    }[];
    for (const { header, result, smtputf8 } of list) {
      test(`DKIM-006: ${JSON.stringify(header.slice(0, 80))} is ${result}`, (t) => {
        if (!smtputf8) {
          t.skip(utf8Refused);
          return;
        }
        const field = parseHeaderFields(Buffer.from(header)).first("dkim-signature");
        const parsed = field === undefined ? "none" : parseSignatureField(field, 50_000).kind;
        assert.equal(parsed === "signature" ? "ok" : "error", result);
      });
    }
  });
}

function resolverFor(zone: Zone): StaticResolver {
  const resolver = new StaticResolver();
  for (const [name, { TXT, rcode, CNAME }] of Object.entries(zone)) {
    if (TXT !== undefined) resolver.add(name, "TXT", ...TXT.map((strings) => strings.join("")));
    if (CNAME !== undefined) resolver.add(name, "CNAME", CNAME);
    if (rcode !== undefined && rcode !== "NXDOMAIN") resolver.fail(name, "TXT", rcode);
  }
  return resolver;
}

async function verify(message: Buffer, resolver: StaticResolver, now: number): Promise<readonly DkimOutcome[]> {
  const collector = new HeaderCollector();
  const progress = collector.push(message);
  const content = progress.kind === "need-more" ? collector.end() : progress;
  assert.equal(content.kind, "complete");
  if (content.kind !== "complete") return [];
  const bodies = new BodyHashes();
  const verifier = new DkimVerifier(parseHeaderFields(content.header), bodies, { resolver, now });
  bodies.push(content.rest);
  bodies.end();
  return verifier.finish();
}

function bestOf(outcomes: readonly DkimOutcome[]): string {
  const order = ["pass", "policy", "fail", "temperror", "neutral", "permerror"] as const;
  return order.find((result) => outcomes.some((outcome) => outcome.result === result)) ?? "none";
}
