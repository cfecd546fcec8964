/** Every message of the collected DKIM vectors, against its expectation. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { HeaderCollector, parseHeaderFields } from "../message/header-section.ts";
import { caseFile, readVectors } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
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

test("DKIM-001 to DKIM-016: conformance: messages", async (t) => {
  const list = readVectors<{ readonly default_now: number; readonly cases: readonly Case[] }>(t, "dkim", "cases.json");
  if (list === undefined) return;
  await runVectors(
    t,
    "dkim/messages",
    list.cases,
    ({ id }) => id,
    async ({ file, dns, expect, now }) => {
      const zones = JSON.parse(caseFile("dkim", dns).toString()) as Zone;
      const outcomes = await verify(caseFile("dkim", file), resolverFor(zones), (now ?? list.default_now) * 1000);
      assert.ok(expect.includes(bestOf(outcomes)), JSON.stringify(outcomes));
    },
  );
});

test("DKIM-012: conformance: key records", async (t) => {
  const list = readVectors<readonly { record: string; result: string }[]>(t, "dkim", "key-records.json");
  if (list === undefined) return;
  await runVectors(
    t,
    "dkim/key-records",
    list,
    ({ record }) => record,
    ({ record, result }) => {
      const wanted = { ok: "record", error: "malformed", "not-dkim": "not-dkim" }[result];
      assert.equal(parseKeyRecord(record).kind, wanted);
    },
  );
});

test("DKIM-006: conformance: signature fields", async (t) => {
  const list = readVectors<readonly { header: string; result: string; smtputf8: boolean }[]>(
    t,
    "dkim",
    "signature-headers.json",
  );
  if (list === undefined) return;
  await runVectors(
    t,
    "dkim/signature-headers",
    list,
    ({ header, smtputf8 }) => `field ${digestOf(header)}${smtputf8 ? "" : ", without SMTPUTF8"}`,
    ({ header, result }) => {
      const field = parseHeaderFields(Buffer.from(header)).first("dkim-signature");
      const parsed = field === undefined ? "none" : parseSignatureField(field, 50_000).kind;
      assert.equal(parsed === "signature" ? "ok" : "error", result);
    },
  );
});

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

/** Names a field by its content, so that its place in the list does not matter. */
function digestOf(field: string): string {
  return createHash("sha256").update(field).digest("hex").slice(0, 8);
}
