/** Sealed messages that were changed afterwards. What a chain needs to be whole is in authentication-targets.ts. */
import assert from "node:assert/strict";
import { ArcValidator } from "../../../src/arc/arc-validator.ts";
import { readChain } from "../../../src/arc/arc-chain.ts";
import { BodyHashes } from "../../../src/dkim/body-hashes.ts";
import { headerHashInput } from "../../../src/dkim/canonicalization.ts";
import { HeaderCollector, parseHeaderFields } from "../../../src/message/header-section.ts";
import type { Resolver } from "../../../src/ports/resolver.ts";
import { now, resolverWith, seal, signingKey } from "../../../src/testing/arc-fixture.ts";
import { testKey } from "../../../src/testing/test-crypto.ts";
import { inPieces, type FuzzTarget } from "../target.ts";

const first = signingKey("first.example", testKey("ed25519"));
const second = signingKey("second.example");
const zone = resolverWith(first, second);
const message = "From: Ann <ann@author.example>\r\nTo: bob@b.test\r\nSubject: Lunch\r\n\r\nAre you hungry?\r\n";
const once = await seal(message, zone, { key: first });
const twice = await seal(once, zone, { key: second });

/** Sixty is the most that fifty sets ask for (arc-validator.ts). */
const queriesMax = 60;

function takeApart(input: Buffer) {
  const collector = new HeaderCollector();
  collector.push(input);
  const result = collector.end();
  return result.kind === "complete"
    ? { header: parseHeaderFields(result.header), rest: input.subarray(result.header.length) }
    : undefined;
}

/** What the newest message signature covers. */
function covered(input: Buffer): string {
  const parts = takeApart(input);
  const newest = parts === undefined ? undefined : readChain(parts.header, now).sets.at(-1);
  if (parts === undefined || newest?.messageSignature.kind !== "signature") return "";
  const { names, headerCanonicalization, bodyCanonicalization, bodyLength } = newest.messageSignature;
  const bodies = new BodyHashes();
  const hash = bodies.request(bodyCanonicalization, "sha256", bodyLength);
  bodies.push(parts.rest);
  bodies.end();
  const signed = headerHashInput({
    header: parts.header,
    names,
    canonicalization: headerCanonicalization,
    signatureField: newest.message.raw,
  });
  return `${signed.toString("latin1")}\n${hash.digest().toString("hex")}`;
}

const good = new Set([once, twice].map((text) => covered(Buffer.from(text))));

async function validate(input: Buffer, pieces: Iterable<Buffer>) {
  const parts = takeApart(input);
  if (parts === undefined) return undefined;
  let queries = 0;
  const resolver: Resolver = {
    query: (name, type) => {
      queries++;
      return zone.query(name, type);
    },
  };
  const bodies = new BodyHashes();
  const validator = new ArcValidator(parts.header, bodies, { resolver, now });
  for (const piece of pieces) bodies.push(piece);
  bodies.end();
  const outcome = await validator.finish();
  zone.queries.length = 0;
  assert.ok(queries <= queriesMax, `${queries} queries`);
  return outcome;
}

const messages: FuzzTarget = {
  name: "arc-messages",
  family: "ARC",
  seeds: () => [Buffer.from(once), Buffer.from(twice)],
  words: [
    "\r\n", "\r\n ", "\n", "\r", "\0", ";", "; ", "=", ":", "i=1;", "i=2;", "i=3;", "cv=none;", "cv=pass;", "cv=fail;", "d=first.example;", "d=second.example;", "s=arc;", "h=from;", "l=0;", "a=ed25519-sha256;", "a=rsa-sha256;", "c=simple/simple;",
    "ARC-Seal: ", "ARC-Message-Signature: ", "ARC-Authentication-Results: ", "From: x@y.test\r\n", "Subject: x\r\n", "no colon\r\n", " ", "\t", ...once.split(/(?<=\r\n)(?! )/).slice(0, 3),
  ], // prettier-ignore
  bytesMax: 6000,
  stretchMax: 512 * 1024,
  async run(input) {
    const parts = takeApart(input);
    if (parts === undefined) return;
    const whole = await validate(input, [parts.rest]);
    assert.deepEqual(await validate(input, inPieces(parts.rest)), whole, "any cut gives the same verdict");
    assert.ok(whole !== undefined && whole.detail !== "");
    if (whole.result !== "pass") return;
    assert.ok(good.has(covered(input)), "what passes is what was sealed");
    assert.equal(parts.header.all("from").length, 1);
  },
};

export const arcTargets: readonly FuzzTarget[] = [messages];
