/** Signatures of ours: what they cover, how they look, and that an independent verifier agrees. */
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { dkimVerify } from "mailauth/lib/dkim/verify.js";
import { HeaderCollector, type HeaderSection, parseHeaderFields } from "../message/header-section.ts";
import { noConformanceData, vectorPath } from "../testing/conformance-data.ts";
import { TestCrypto, testKey } from "../testing/test-crypto.ts";
import { BodyHashes } from "./body-hashes.ts";
import { MessageSigner } from "./signer.ts";
import { readPrivateKey, recordName, recordText, type SigningKey } from "./signing-key.ts";

const now = Date.UTC(2026, 0, 1);

function signingKey(pem: string, selector: string, domain = "sender.example"): SigningKey {
  const read = readPrivateKey(pem);
  assert.ok(read.kind === "key");
  return { domain, selector, algorithm: read.algorithm, key: read.key };
}

const keys = [signingKey(testKey("rsa"), "r1"), signingKey(testKey("ed25519"), "e1")];

/** The signatures for a message that arrives in pieces of the size given. */
async function signaturesOf(message: Buffer, options: { keys?: readonly SigningKey[]; piece?: number } = {}) {
  const piece = options.piece ?? message.length;
  const collector = new HeaderCollector();
  const bodies = new BodyHashes();
  let signer: MessageSigner | undefined;
  let header: HeaderSection | undefined;
  const begin = (bytes: Buffer, rest: Buffer) => {
    header = parseHeaderFields(bytes);
    signer = MessageSigner.begin(header, bodies, { keys: options.keys ?? keys, crypto: new TestCrypto(), now });
    bodies.push(rest);
  };
  for (let at = 0; at < message.length; at += piece) {
    const bytes = message.subarray(at, at + piece);
    if (header !== undefined) {
      bodies.push(bytes);
      continue;
    }
    const progress = collector.push(bytes);
    if (progress.kind === "complete") begin(progress.header, progress.rest);
  }
  if (header === undefined) {
    const end = collector.end();
    assert.ok(end.kind === "complete");
    begin(end.header, end.rest);
  }
  bodies.end();
  return await signer?.finish();
}

/** What the oracle says of each signature, from the top. */
async function oracle(message: Buffer, signedWith: readonly SigningKey[] = keys): Promise<readonly string[]> {
  const records = new Map(signedWith.map((key) => [recordName(key), recordText(key.key)]));
  const { results } = await dkimVerify(message, {
    resolver: (name: string) => Promise.resolve([[records.get(name) ?? ""]]),
  });
  return results.map(({ status, signingDomain, selector }) => `${signingDomain} ${selector} ${status.result}`);
}

function tagsOf(field: string): ReadonlyMap<string, string> {
  const text = field.slice(field.indexOf(":") + 1).replaceAll(/\r\n/g, "");
  return new Map(
    text.split(";").map((tag) => {
      const [name = "", ...value] = tag.split("=");
      return [name.trim(), value.join("=").trim()];
    }),
  );
}

const plain = Buffer.from(
  [
    "Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000",
    "From: Ann <ann@sender.example>",
    "To: bob@rcpt.example",
    "Subject: hello",
    "Date: Thu, 1 Jan 2026 00:00:00 +0000",
    "List-Unsubscribe: <https://sender.example/u>",
    "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
    "X-Other: not signed",
    "",
    "text  with\tspaces  ",
    "",
    "",
  ].join("\r\n"),
);

test("an RSA signature on top, an Ed25519 one below it, both good to an independent verifier", async () => {
  const signatures = (await signaturesOf(plain)) ?? "";
  const fields = parseHeaderFields(Buffer.from(signatures)).fields;
  assert.deepEqual(
    fields.map(({ name, value }) => `${name} ${/a=[^;]+/.exec(value)?.[0]}`),
    ["dkim-signature a=rsa-sha256", "dkim-signature a=ed25519-sha256"],
  );
  assert.deepEqual(await oracle(Buffer.concat([Buffer.from(signatures), plain])), [
    "sender.example r1 pass",
    "sender.example e1 pass",
  ]);
});

test("the field says relaxed/relaxed, the time, and keeps to lines of 78 characters", async () => {
  const signatures = (await signaturesOf(plain)) ?? "";
  const tags = tagsOf(signatures);
  assert.equal(tags.get("v"), "1");
  assert.equal(tags.get("c"), "relaxed/relaxed");
  assert.equal(tags.get("t"), String(now / 1000));
  assert.equal(tags.get("d"), "sender.example");
  assert.ok(signatures.endsWith("\r\n"));
  for (const line of signatures.split("\r\n")) assert.ok(line.length <= 78, line);
});

test("DKIM-010: fields are over-signed, so that one put in later breaks the signature", async () => {
  const signatures = (await signaturesOf(plain)) ?? "";
  const names = (tagsOf(signatures).get("h") ?? "").split(":").map((name) => name.trim());
  assert.deepEqual(names, [
    ...["from", "from", "to", "to", "cc", "subject", "subject", "date", "date", "message-id", "reply-to"],
    ...["mime-version", "content-type", "content-transfer-encoding", "in-reply-to", "references"],
    ...["list-unsubscribe", "list-unsubscribe-post"],
  ]);
  for (const added of ["From: eve@evil.example", "Subject: other", "Reply-To: eve@evil.example", "Cc: x@y.example"]) {
    const changed = Buffer.concat([Buffer.from(`${added}\r\n${signatures}`), plain]);
    for (const result of await oracle(changed)) assert.doesNotMatch(result, /pass/, added);
  }
  const unsigned = Buffer.concat([Buffer.from(`X-More: 1\r\n${signatures}`), plain]);
  for (const result of await oracle(unsigned)) assert.match(result, /pass/);
});

test("DKIM-010: a message with several From fields, or none, is not signed", async () => {
  assert.equal(await signaturesOf(Buffer.from("From: a@sender.example\r\nFrom: b@sender.example\r\n\r\nx")), undefined);
  assert.equal(await signaturesOf(Buffer.from("Subject: x\r\n\r\nx")), undefined);
  assert.equal(await signaturesOf(Buffer.from("\r\nFrom: a@sender.example\r\n\r\nx")), undefined);
});

test("DKIM-016: with a line that is no field before the body, a message is not signed", async () => {
  assert.equal(await signaturesOf(Buffer.from("From: a@sender.example\r\nno field\r\nTo: x\r\n\r\ntext")), "");
});

test("DKIM-011: no signature has l=, and text put behind the body breaks it", async () => {
  const signatures = (await signaturesOf(plain)) ?? "";
  for (const field of parseHeaderFields(Buffer.from(signatures)).fields) {
    assert.deepEqual([...tagsOf(field.raw.toString()).keys()], ["v", "a", "c", "d", "s", "t", "h", "bh", "b"]);
  }
  const appended = Buffer.concat([Buffer.from(signatures), plain, Buffer.from("more\r\n")]);
  for (const result of await oracle(appended)) assert.doesNotMatch(result, /pass/);
});

test("DKIM-015: signatures that are there stay, and a hop that adds trace fields breaks none", async () => {
  const first = (await signaturesOf(plain)) ?? "";
  const signedOnce = Buffer.concat([Buffer.from(first), plain]);
  const other = [signingKey(testKey("rsa", 1), "hop", "relay.example")];
  const second = (await signaturesOf(signedOnce, { keys: other })) ?? "";
  const trace = "Return-Path: <ann@sender.example>\r\nReceived: from b by c; Thu, 1 Jan 2026 00:00:09 +0000\r\n";
  const relayed = Buffer.concat([Buffer.from(trace + second), signedOnce]);
  assert.deepEqual(await oracle(relayed, [...keys, ...other]), [
    "relay.example hop pass",
    "sender.example r1 pass",
    "sender.example e1 pass",
  ]);
});

test("DKIM-001: pieces of any size lead to the same signatures", async () => {
  const whole = await signaturesOf(plain);
  for (const piece of [1, 2, 3, 7, 50, 200]) assert.equal(await signaturesOf(plain, { piece }), whole);
});

test("the published unsigned messages verify after signing, with every published key", async (t) => {
  const [folder, keyFolder] = [vectorPath(t, "dkim", "unsigned"), vectorPath(t, "dkim", "keys")];
  const dns = vectorPath(t, "dkim", "dns", "generated.json");
  if (folder === undefined || keyFolder === undefined || dns === undefined) return;
  const published = [
    ["r2048", "rsa2048.pem"],
    ["r4096", "rsa4096.pem"],
    ["ed1", "ed25519.pem"],
    ["r1024", "rsa1024.pem"],
  ]
    .filter(([, file = ""]) => existsSync(`${keyFolder}/${file}`))
    .map(([selector = "", file = ""]) => signingKey(readFileSync(`${keyFolder}/${file}`, "utf8"), selector));
  if (published.length === 0) return t.skip(noConformanceData);
  const zone = JSON.parse(readFileSync(dns, "utf8")) as Record<string, { TXT: string[][] }>;
  for (const name of globSync("*.eml", { cwd: folder })) {
    const message = readFileSync(`${folder}/${name}`);
    const signatures = (await signaturesOf(message, { keys: published })) ?? "";
    const { results } = await dkimVerify(Buffer.concat([Buffer.from(signatures), message]), {
      resolver: (owner: string) => Promise.resolve(zone[owner]?.TXT ?? []),
    });
    assert.deepEqual(
      results.map(({ selector, status }) => `${selector} ${status.result}`),
      published.map(({ selector }) => `${selector} pass`),
      name,
    );
  }
});

test("whatever header and body hold, an independent verifier agrees with the signature", async () => {
  const word = fc.stringMatching(/^[ -~]{0,40}$/).filter((text) => !text.includes("\r"));
  const field = fc
    .tuple(fc.constantFrom("Subject", "To", "X-A", "Cc", "List-Id", "Comments", "REFERENCES"), fc.array(word))
    .map(([name, lines]) => `${name}:${lines.map((line) => line.trimEnd() || "x").join("\r\n\t ")}\r\n`);
  const line = fc.oneof(fc.stringMatching(/^[ \t!-~]{0,30}$/), fc.constantFrom("", " ", "\t ", ".", "é"));
  const edOnly = keys.slice(1);
  await fc.assert(
    fc.asyncProperty(fc.array(field, { maxLength: 8 }), fc.array(line, { maxLength: 12 }), async (fields, lines) => {
      const message = Buffer.from(`From: ann@sender.example\r\n${fields.join("")}\r\n${lines.join("\r\n")}`);
      const signatures = (await signaturesOf(message, { keys: edOnly })) ?? "";
      assert.deepEqual(
        await oracle(Buffer.concat([Buffer.from(signatures), message]), edOnly),
        ["sender.example e1 pass"],
        JSON.stringify(message.toString()),
      );
    }),
    { numRuns: 200 },
  );
});

test("a header made to blow up h= is not signed", async () => {
  const many = `From: a@sender.example\r\n${"To: x@y.example\r\n".repeat(500)}\r\nx`;
  assert.equal(await signaturesOf(Buffer.from(many)), undefined);
});

test("DKIM-004: keys below 1024 bits, above 4096, and of other types are refused before they sign anything", async () => {
  const { generateKeyPairSync } = await import("node:crypto");
  const pemOf = (bits: number) =>
    generateKeyPairSync("rsa", { modulusLength: bits }).privateKey.export({ type: "pkcs1", format: "pem" }).toString();
  const small = readPrivateKey(pemOf(512));
  assert.ok(small.kind === "problem");
  assert.match(small.problem, /RSA key of 512 bits/);
  const pkcs1 = readPrivateKey(pemOf(1024));
  assert.equal(pkcs1.kind === "key" && pkcs1.algorithm, "rsa-sha256");
  const curve = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" });
  assert.equal(readPrivateKey(curve.toString()).kind, "problem");
  for (const text of ["", "nonsense", testKey("rsa").slice(0, 200)]) assert.equal(readPrivateKey(text).kind, "problem");
});

test("DKIM-005: the record of an Ed25519 key holds its 32 octets, that of an RSA key its SubjectPublicKeyInfo", () => {
  const [rsa, ed25519] = keys;
  assert.match(recordText(rsa?.key ?? assert.fail()), /^v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A/);
  const text = recordText(ed25519?.key ?? assert.fail());
  assert.equal(Buffer.from(text.replace("v=DKIM1; k=ed25519; p=", ""), "base64").length, 32);
});
