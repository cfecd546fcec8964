import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import {
  ed25519Key,
  edited,
  keyResolver,
  publicKeyText,
  rsaKey,
  signatureOf,
  signMessage,
  verdict,
  verifyMessage,
} from "../testing/signed-message.ts";
import { StaticResolver } from "../testing/static-resolver.ts";

const edRecord = `p=${publicKeyText(ed25519Key)}`;

describe("DKIM-004: algorithms and key sizes", () => {
  test("rsa-sha1 is refused before any look-up", async () => {
    const resolver = keyResolver();
    assert.equal(
      await verdict(signMessage({ algorithm: "rsa-sha1", key: rsaKey }), { resolver }),
      "permerror sha1-refused",
    );
    assert.deepEqual(resolver.queries, []);
  });

  test("an algorithm that nobody knows", async () => {
    assert.equal(await verdict(signMessage({ algorithm: "rsa-sha512" })), "permerror algorithm-unknown");
  });

  test("RSA-2048 passes, its size is told", async () => {
    const [outcome] = await verifyMessage(signMessage({ key: rsaKey }));
    assert.equal(outcome?.result, "pass");
    assert.equal(outcome.keyBits, 2048);
    assert.equal(outcome.algorithm, "rsa-sha256");
  });

  test("keys of 1024 to 4096 bits pass, 512 and 1023 do not", async () => {
    for (const [modulusLength, expected] of [
      [512, "permerror key-too-small"],
      [1023, "permerror key-too-small"],
      [1024, "pass good-signature"],
    ] as const) {
      const { privateKey } = generateKeyPairSync("rsa", { modulusLength });
      const resolver = new StaticResolver().add("rsa._domainkey.example.org", "TXT", `p=${publicKeyText(privateKey)}`);
      assert.equal(await verdict(signMessage({ key: privateKey }), { resolver }), expected);
    }
  });

  test("a key above 4096 bits is not worked with", async () => {
    for (const bits of [4104, 16_384]) {
      const n = randomBytes(bits / 8);
      n[0] = 0xff;
      const jwk = { kty: "RSA", n: n.toString("base64url"), e: "AQAB" };
      const der = createPublicKey({ key: jwk, format: "jwk" }).export({ type: "spki", format: "der" });
      const record = `v=DKIM1; p=${der.toString("base64")}`;
      const resolver = new StaticResolver().add("rsa._domainkey.example.org", "TXT", record);
      assert.equal(await verdict(signMessage({ key: rsaKey }), { resolver }), "policy key-too-large");
    }
  });

  test("a bare RSAPublicKey, as RFC 6376 has it, is a key too", async () => {
    const der = createPublicKey(rsaKey).export({ type: "pkcs1", format: "der" });
    const resolver = new StaticResolver().add("rsa._domainkey.example.org", "TXT", `p=${der.toString("base64")}`);
    assert.equal(await verdict(signMessage({ key: rsaKey }), { resolver }), "pass good-signature");
  });

  test("a signature of the wrong length is no match, not a fault", async () => {
    for (const b of ["AAAA", "A".repeat(20_000)]) {
      for (const key of [rsaKey, ed25519Key]) {
        const text = signMessage({ key }).toString("latin1");
        const message = Buffer.from(text.replace(/ b=.*\r\n/, ` b=${b}\r\n`), "latin1");
        assert.equal(await verdict(message), "fail signature-mismatch");
      }
    }
  });
});

describe("DKIM-005: Ed25519", () => {
  test("the key's type must fit the algorithm", async () => {
    const record = `v=DKIM1; k=rsa; p=${publicKeyText(rsaKey)}`;
    assert.equal(await verdict(signMessage(), { resolver: keyResolver(record) }), "permerror key-type-mismatch");
    const resolver = new StaticResolver().add("rsa._domainkey.example.org", "TXT", `k=ed25519; ${edRecord}`);
    assert.equal(await verdict(signMessage({ key: rsaKey }), { resolver }), "permerror key-type-mismatch");
  });

  test("a message signed twice has two verdicts", async () => {
    const both = Buffer.concat([signatureOf(signMessage({ key: rsaKey })), signMessage()]);
    const outcomes = await verifyMessage(both);
    assert.deepEqual(
      outcomes.map(({ algorithm, result }) => `${algorithm} ${result}`),
      ["rsa-sha256 pass", "ed25519-sha256 pass"],
    );
  });
});

describe("DKIM-012: the key", () => {
  const table: readonly (readonly [what: string, records: readonly string[], expected: string])[] = [
    ["without v=", [`k=ed25519; ${edRecord}`], "pass good-signature"],
    ["v= not first", [`k=ed25519; v=DKIM1; ${edRecord}`], "permerror key-malformed"],
    ["v=DKIM2", [`v=DKIM2; k=ed25519; ${edRecord}`], "permerror key-malformed"],
    ["revoked", ["v=DKIM1; k=ed25519; p="], "permerror key-revoked"],
    ["without p=", ["v=DKIM1; k=ed25519"], "permerror key-malformed"],
    ["a type nobody knows", [`v=DKIM1; k=kyber; ${edRecord}`], "permerror key-malformed"],
    ["p= that is not base64", ["v=DKIM1; k=ed25519; p=%%%"], "permerror key-malformed"],
    ["p= that is no RSA key", ["v=DKIM1; p=AAAAAAAA"], "permerror key-malformed"],
    ["h=sha256", [`k=ed25519; h=sha1 : SHA256; ${edRecord}`], "pass good-signature"],
    ["h=sha1", [`k=ed25519; h=sha1; ${edRecord}`], "permerror hash-not-allowed"],
    ["s=email", [`k=ed25519; s=other : email; ${edRecord}`], "pass good-signature"],
    ["s=*", [`k=ed25519; s=*; ${edRecord}`], "pass good-signature"],
    ["s=tlsrpt", [`k=ed25519; s=tlsrpt; ${edRecord}`], "permerror key-not-for-email"],
    [
      "p= with white space",
      [`k=ed25519; p=${publicKeyText(ed25519Key).replace(/.{9}/, "$& \t")}`],
      "pass good-signature",
    ],
    ["other text only", ["v=spf1 -all", "hello"], "permerror no-key"],
    ["other text beside it", ["hello", `k=ed25519; ${edRecord}`], "pass good-signature"],
    ["a broken record beside it", ["v=DKIM1; p=?", `k=ed25519; ${edRecord}`], "pass good-signature"],
    ["several keys", [`k=ed25519; ${edRecord}`, `v=DKIM1; k=ed25519; ${edRecord}`], "permerror several-keys"],
  ];
  for (const [what, records, expected] of table) {
    test(what, async () => {
      assert.equal(await verdict(signMessage(), { resolver: keyResolver(...records) }), expected);
    });
  }

  test("no name is permanent, no answer is temporary", async () => {
    assert.equal(await verdict(signMessage(), { resolver: new StaticResolver() }), "permerror no-key");
    const empty = new StaticResolver().add("ed._domainkey.example.org", "TXT");
    assert.equal(await verdict(signMessage(), { resolver: empty }), "permerror no-key");
    for (const reason of ["SERVFAIL", "time-out"]) {
      const resolver = keyResolver().fail("ed._domainkey.example.org", "TXT", reason);
      assert.equal(await verdict(signMessage(), { resolver }), "temperror key-unavailable");
    }
  });

  test("t=y is told and changes nothing", async () => {
    const resolver = keyResolver(`v=DKIM1; k=ed25519; t=y; ${edRecord}`);
    const [good] = await verifyMessage(signMessage(), { resolver });
    assert.deepEqual([good?.result, good?.testing], ["pass", true]);
    const [bad] = await verifyMessage(edited(signMessage(), "Lunch", "Dinner"), { resolver });
    assert.deepEqual([bad?.result, bad?.testing], ["fail", true]);
  });

  test("the look-up begins before the body is there", () => {
    const resolver = keyResolver();
    void verifyMessage(signMessage(), { resolver });
    assert.deepEqual(resolver.queries, ["TXT ed._domainkey.example.org"]);
  });
});
