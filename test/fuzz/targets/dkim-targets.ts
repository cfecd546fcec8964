/** DKIM: lists, keys, signature fields, and whole messages that were changed after they were signed. */
import assert from "node:assert/strict";
import { BodyHashes } from "../../../src/dkim/body-hashes.ts";
import { headerHashInput } from "../../../src/dkim/canonicalization.ts";
import { parseKeyRecord } from "../../../src/dkim/public-key.ts";
import { parseSignatureField } from "../../../src/dkim/signature-field.ts";
import { parseTagList } from "../../../src/dkim/tag-list.ts";
import type { DkimOutcome } from "../../../src/dkim/dkim-outcome.ts";
import { HeaderCollector, parseHeaderFields, type HeaderSection } from "../../../src/message/header-section.ts";
import type { Resolver } from "../../../src/ports/resolver.ts";
import {
  keyResolver,
  publicKeyText,
  rsaKey,
  ed25519Key,
  signatureOf,
  signMessage,
  signedAt,
  verifyMessage,
} from "../../../src/testing/signed-message.ts";
import { texts } from "../seeds.ts";
import { inPieces, type FuzzTarget } from "../target.ts";

const tagWords = [
  ";", ";;", "; ", "=", "==", ":", "\r\n ", "\t", " ", "\0", "\xff", "v=1;", "v=DKIM1;", "a=rsa-sha256;", "a=ed25519-sha256;", "a=rsa-sha1;", "b=", "bh=", "c=relaxed/simple;", "c=/;", "d=example.org;", "d=xn--a.test;", "h=from;", "h=from:from:to;", "h=:;",
  "i=@example.org;", "i=a@b.example.org;", "i=\"q@q\"@example.org;", "=40", "l=0;", "l=99999999999999999999;", "q=dns/txt;", "s=ed;", "s=_;", "t=1;", "x=1;", "x=0;", "z=", "p=", "k=ed25519;", "k=rsa;", "t=y:s;", "s=email;", "h=sha1;", "n=x;", "AAAA",
]; // prettier-ignore

const signed = signMessage();
const signedByRsa = signMessage({ key: rsaKey, header: "simple", bodyForm: "simple", body: "a  b\t\r\n\r\n\r\n" });
const signedInPart = signMessage({ bodyLength: 5 });
const signatureValue = (message: Buffer) =>
  signatureOf(message).toString("latin1").slice("DKIM-Signature: ".length, -2);

const lists: FuzzTarget = {
  name: "dkim-lists",
  family: "DKIM",
  seeds: () => [
    ...texts(signatureValue(signed), signatureValue(signedByRsa), signatureValue(signedInPart)),
    ...texts(
      `v=DKIM1; k=ed25519; p=${publicKeyText(ed25519Key)}`,
      `p=${publicKeyText(rsaKey)}; t=y:s; s=email:*; h=sha256`,
    ),
    ...texts("v=DKIM1; p=", "a=b; c = d\r\n e ;"),
  ],
  words: tagWords,
  bytesMax: 1200,
  stretchMax: 256 * 1024,
  run(input) {
    const text = input.toString("latin1");
    const tags = parseTagList(text);
    if (tags !== undefined) {
      assert.ok(tags.size >= 1 && tags.size <= 100);
      for (const [name, value] of tags) {
        assert.match(name, /^[A-Za-z][\w-]*$/);
        assert.doesNotMatch(value, /;|^[ \t\r\n]|[ \t\r\n]$/);
      }
      // Written again, it is the same list.
      const again = parseTagList([...tags].map(([name, value]) => `${name}=${value}`).join(";"));
      assert.deepEqual(again, tags);
    }
    const key = parseKeyRecord(text);
    if (key.kind === "record" && key.record.key !== "revoked") {
      assert.equal(key.record.key.type, key.record.type);
      assert.ok(key.record.key.bits > 0 && tags?.has("p") === true);
    }
    const [field] = parseHeaderFields(Buffer.from(`DKIM-Signature: ${text}\r\n`, "latin1")).fields;
    if (field === undefined) return;
    const signature = parseSignatureField(field, signedAt);
    if (signature.kind === "problem") {
      assert.match(signature.reason, /^[a-z0-9-]+$/);
      return;
    }
    const { domain, selector } = signature.about;
    assert.ok(domain.includes(".") && `${selector}._domainkey.${domain}`.length <= 253);
    assert.ok(signature.bodyHash.length === 32 && signature.names.some((name) => name.toLowerCase() === "from"));
  },
};

/** What each signature of ours covers, as its verifier must see it for the signature to be good. */
function covered(message: Buffer): string[] {
  const header = headerOf(message);
  const rest = message.subarray(header.bytes.length);
  return header.all("dkim-signature").map((field) => {
    const signature = parseSignatureField(field, signedAt);
    if (signature.kind === "problem") return "";
    const bodies = new BodyHashes();
    const hash = bodies.request(signature.bodyCanonicalization, "sha256", signature.bodyLength);
    bodies.push(rest);
    bodies.end();
    const input = headerHashInput({
      header,
      names: signature.names,
      canonicalization: signature.headerCanonicalization,
      signatureField: field.raw,
    });
    return `${input.toString("latin1")}\n${hash.digest().toString("hex")}\n${hash.canonicalLength}`;
  });
}

const good = new Set([signed, signedByRsa].flatMap(covered));

class CountingResolver implements Resolver {
  queries = 0;
  readonly #inner = keyResolver();

  query: Resolver["query"] = (name, type, options) => {
    this.queries++;
    return this.#inner.query(name, type, options);
  };
}

const verifier: FuzzTarget = {
  name: "dkim-messages",
  family: "DKIM",
  seeds: () => [signed, signedByRsa, signedInPart, Buffer.concat([signatureOf(signedByRsa), signed])],
  words: [
    ...tagWords,
    ...["\r\n", "\n", "\r", "\r\n\r\n", "From: a@b.test\r\n", "Subject: x\r\n", "X: y\r\n", ": x\r\n", "no colon\r\n"],
    ...[signatureOf(signed).toString("latin1"), signatureOf(signedByRsa).toString("latin1")],
  ],
  bytesMax: 4096,
  stretchMax: 512 * 1024,
  async run(input) {
    const resolver = new CountingResolver();
    const whole = await verifyMessage(input, { resolver }).catch(tooLarge);
    if (whole === undefined) return;
    assert.ok(resolver.queries <= 10);
    const cuts: number[] = [];
    let at = 0;
    for (const piece of inPieces(input)) cuts.push((at += piece.length));
    assert.deepEqual(await verifyMessage(input, { cuts }), whole, "any cut gives the same verdicts");
    for (const { reason, result } of whole) assert.match(`${result} ${reason}`, /^[a-z]+ [a-z0-9-]+$/);
    if (!whole.some(({ result }) => result === "pass")) return;
    const inputs = covered(input);
    assert.ok(
      inputs.some((text) => good.has(text)),
      "what passes is what was signed",
    );
    // And what a reader sees as the author is what was signed too.
    const header = headerOf(input);
    assert.equal(header.all("from").length, 1);
    assert.match(header.first("from")?.value ?? "", /^Ann\s+<ann@example\.org>\s*$/);
  },
};

function headerOf(message: Buffer): HeaderSection {
  const collector = new HeaderCollector();
  collector.push(message);
  const result = collector.end();
  assert.ok(result.kind === "complete");
  return parseHeaderFields(result.header);
}

function tooLarge(error: unknown): readonly DkimOutcome[] | undefined {
  if (error instanceof Error && error.message.includes("too large")) return undefined;
  throw error;
}

const simplySigned = signMessage({ header: "simple", bodyForm: "simple" });

/** What stands in DNS where the key should be; a line for each record. */
const keys: FuzzTarget = {
  name: "dkim-keys",
  family: "DKIM",
  seeds: () => [
    ...texts(
      `v=DKIM1; k=ed25519; p=${publicKeyText(ed25519Key)}`,
      `other text\nk=ed25519; h=sha256; s=*; t=s; p=${publicKeyText(ed25519Key)}`,
      `v=DKIM1; p=\nv=DKIM1; k=ed25519; p=${publicKeyText(ed25519Key)}`,
    ),
    Buffer.from(`v=DKIM1; k=rsa; p=${publicKeyText(rsaKey)}`),
  ],
  words: [...tagWords, "\n", publicKeyText(ed25519Key), publicKeyText(rsaKey)],
  bytesMax: 1000,
  stretchMax: 256 * 1024,
  async run(input) {
    const records = input.toString("latin1").split("\n", 500);
    const [outcome, ...more] = await verifyMessage(simplySigned, { resolver: keyResolver(...records) });
    assert.ok(outcome !== undefined && more.length === 0);
    // The one key that fits must be there, in whatever form base64 allows.
    const texts = records.map((record) => record.replaceAll(/[ \t\r\n]/g, ""));
    if (outcome.result === "pass") {
      assert.ok(
        texts.some((text) => text.includes(publicKeyText(ed25519Key).slice(0, 42))),
        "the key is there",
      );
    }
  },
};

export const dkimTargets: readonly FuzzTarget[] = [lists, keys, verifier];
