import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  ed25519Key,
  edited,
  keyResolver,
  plainFields,
  publicKeyText,
  rsaKey,
  signatureOf,
  signMessage,
  verdict,
  verifyMessage,
} from "../testing/signed-message.ts";

const edRecord = `p=${publicKeyText(ed25519Key)}`;

describe("DKIM-016: what could be read in two ways", () => {
  test("a line without colon before the empty line", async () => {
    const message = signMessage();
    for (const smuggled of ["no colon here\r\nSubject: Smuggled\r\n", ": no name\r\n", "a b: c\r\n"]) {
      const altered = edited(message, "\r\n\r\n", `\r\n${smuggled}\r\n`);
      assert.notEqual((await verdict(altered)).split(" ")[0], "pass", smuggled);
    }
    // Signed in that very form, so that hash and signature fit.
    const odd = signMessage({ body: "Are you hungry?\r\n" });
    assert.equal(await verdict(edited(odd, "\r\n\r\n", "\r\n\r\r\n")), "fail body-hash-mismatch");
  });

  test("a pseudo header that the signed hash covers still does not pass", async () => {
    const body = "Are you hungry?\r\n";
    const message = signMessage({ body });
    // The blank line is gone: the rest begins with what is no field, and is hashed as body.
    const joined = edited(message, `\r\n\r\n${body}`, `\r\n${body}`);
    assert.equal(await verdict(joined), "policy malformed-header");
  });

  for (const [what, stray] of [
    ["NUL", "\0"],
    ["a bare CR", "\r"],
    ["a bare LF", "\nX-Spam: no"],
    ["CR CR LF", "\r\r\n"],
  ] as const) {
    test(`${what} in the header section, signed as it is`, async () => {
      for (const header of ["simple", "relaxed"] as const) {
        const fields = [...plainFields, `X-Note: a${stray} b`];
        const [result] = (await verdict(signMessage({ header, fields }))).split(" ");
        assert.equal(result, "policy", header);
      }
    });
  }

  test("no message at all, or one without signature", async () => {
    assert.deepEqual(await verifyMessage(Buffer.alloc(0)), []);
    assert.deepEqual(await verifyMessage(Buffer.from("From: a@b.example\r\n\r\nhi\r\n")), []);
  });
});

describe("hostile input", () => {
  test("h= with 100,000 names is refused for its size, 30,000 are worked through", async () => {
    const many = `from:${"x:".repeat(100_000)}x`;
    assert.equal(await verdict(signMessage({ names: many })), "permerror signature-too-large");
    const fewer = `from:${"x:".repeat(30_000)}x`;
    assert.equal(await verdict(signMessage({ names: fewer })), "pass good-signature");
  });

  test("a header section of a megabyte, with ten signatures over all of it", async () => {
    const fields = [...plainFields, ...Array.from({ length: 9000 }, (_, index) => `X-${index}: ${"y ".repeat(40)}`)];
    const names = `from:${Array.from({ length: 6000 }, (_, index) => `x-${index}`).join(":")}`;
    const signed = signMessage({ fields, names });
    const message = Buffer.concat([...Array.from({ length: 2 }, () => signatureOf(signed)), signed]);
    const outcomes = await verifyMessage(message);
    assert.deepEqual(
      outcomes.map(({ result }) => result),
      ["pass", "pass", "pass"],
    );
  });

  test("a key record of a megabyte, one with a long exponent, one of tags without end", async () => {
    const n = createPublicKey(rsaKey).export({ format: "jwk" }).n ?? "";
    const key = createPublicKey({ key: { kty: "RSA", n, e: n }, format: "jwk" });
    for (const record of [
      `v=DKIM1; k=ed25519; p=${"A".repeat(1_000_000)}`,
      `v=DKIM1; p=${key.export({ type: "spki", format: "der" }).toString("base64")}`,
      `v=DKIM1; k=ed25519; ${edRecord};${Array.from({ length: 200 }, (_, index) => ` t${index}=1`).join(";")}`,
    ]) {
      assert.equal(await verdict(signMessage(), { resolver: keyResolver(record) }), "permerror key-malformed");
    }
  });

  test("any octets in place of the field's value end in a verdict (property)", async () => {
    const tag = fc.oneof(
      fc.constantFrom("v=1", "a=ed25519-sha256", "d=example.org", "s=ed", "h=from", "bh=AA==", "b=AAAA", "l=1", "t=1"),
      fc.string({ maxLength: 20 }),
      fc
        .tuple(fc.constantFrom("v", "a", "b", "bh", "c", "d", "h", "i", "l", "q", "s", "t", "x", "z"), fc.string())
        .map(([name, value]) => `${name}=${value}`),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(tag, { maxLength: 15 }), async (tags) => {
        const value = tags.join(";").replaceAll(/[\r\n]/g, "");
        const message = Buffer.from(`DKIM-Signature: ${value}\r\nFrom: a@example.org\r\n\r\nx\r\n`);
        for (const { result, reason } of await verifyMessage(message)) {
          assert.notEqual(result, "pass");
          assert.match(reason, /^[a-z0-9-]+$/);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("one octet changed in what is signed never passes (property)", async () => {
    const good = signMessage({ header: "simple", bodyForm: "simple" });
    const change = fc.record({ at: fc.nat(good.length - 1), octet: fc.integer({ min: 33, max: 126 }) });
    await fc.assert(
      fc.asyncProperty(change, async ({ at, octet }) => {
        // The last character before the padding carries four bits that stand for nothing.
        fc.pre(good[at] !== octet && at !== good.indexOf("==\r\n") - 1);
        const changed = Buffer.from(good);
        changed[at] = octet;
        const outcomes = await verifyMessage(changed);
        assert.ok(outcomes.every(({ result }) => result !== "pass"));
      }),
      { numRuns: 1000 },
    );
  });
});
