import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  ed25519Key,
  edited,
  keyResolver,
  publicKeyText,
  signedAt,
  signMessage,
  type SigningWish,
  verdict,
  verifyMessage,
} from "../testing/signed-message.ts";
import { StaticResolver } from "../testing/static-resolver.ts";

const edRecord = `p=${publicKeyText(ed25519Key)}`;

describe("DKIM-006: tags", () => {
  for (const tag of ["v", "a", "bh", "d", "s", "h"]) {
    test(`without ${tag}=`, async () => {
      assert.equal(await verdict(signMessage({ tags: { [tag]: undefined } })), "permerror tag-missing");
    });
  }
  const table: readonly (readonly [what: string, tags: Record<string, string>, expected: string])[] = [
    ["v=2", { v: "2" }, "permerror version-unknown"],
    ["v=1.0", { v: "1.0" }, "permerror version-unknown"],
    ["unknown tags are ignored", { zz9: "x", "x-y": "" }, "pass good-signature"],
    ["names are case-sensitive: D is another tag", { D: "example.net" }, "pass good-signature"],
    ["q=dns/txt", { q: "dns/txt" }, "pass good-signature"],
    ["q= with a method nobody knows beside it", { q: "https/json : dns/txt" }, "pass good-signature"],
    ["q= without dns/txt", { q: "https/json" }, "permerror query-unknown"],
    ["an address literal", { d: "[192.0.2.1]" }, "permerror domain-invalid"],
    ["a domain of one label", { d: "localhost" }, "permerror domain-invalid"],
    ["a domain with an empty label", { d: "example..org" }, "permerror domain-invalid"],
    ["a domain that ends with a dot", { d: "example.org." }, "permerror domain-invalid"],
    ["white space in the domain", { d: "exam ple.org" }, "permerror domain-invalid"],
    ["a selector with a slash", { s: "a/b" }, "permerror selector-invalid"],
    ["an empty selector", { s: "" }, "permerror selector-invalid"],
    ["a name too long for DNS", { s: Array(4).fill("x".repeat(60)).join(".") }, "permerror selector-invalid"],
    ["bh= that is not base64", { bh: "***" }, "permerror signature-syntax"],
    ["bh= that is too short", { bh: "AAAA" }, "permerror signature-syntax"],
    ["h= with an empty name", { h: "from::to" }, "permerror signature-syntax"],
    ["l= that is no number", { l: "-1" }, "permerror signature-syntax"],
  ];
  for (const [what, tags, expected] of table) {
    test(what, async () => assert.equal(await verdict(signMessage({ tags })), expected));
  }

  test("a tag given twice, an empty tag, junk in b=", async () => {
    const message = signMessage();
    for (const [from, to] of [
      ["v=1;", "v=1; v=1;"],
      ["v=1;", "v=1;;"],
      ["v=1;", "v=1; junk;"],
      ["v=1;", "v=1; 9=x;"],
      [" b=", " b=!"],
      [" b=", " b=="],
    ] as const) {
      assert.equal(await verdict(edited(message, from, to)), "permerror signature-syntax", to);
    }
  });

  test("d=, s= and a= in capitals", async () => {
    const wish: SigningWish = { tags: { d: "Example.ORG", s: "ED", a: "ED25519-SHA256", c: "Relaxed/RELAXED" } };
    const [outcome] = await verifyMessage(signMessage(wish));
    assert.equal(outcome?.result, "pass");
    assert.deepEqual([outcome.domain, outcome.selector], ["example.org", "ed"]);
  });

  test("a selector with underscores and dots is looked up as it is", async () => {
    const resolver = new StaticResolver().add("k_1.Mail._domainkey.example.org", "TXT", `k=ed25519; ${edRecord}`);
    assert.equal(await verdict(signMessage({ tags: { s: "k_1.mail" } }), { resolver }), "pass good-signature");
  });

  test("an internationalized domain is looked up in A-labels, and i= may be in U-labels", async () => {
    const resolver = new StaticResolver().add("ed._domainkey.xn--bcher-kva.example", "TXT", `k=ed25519; ${edRecord}`);
    for (const d of ["bücher.example", "xn--bcher-kva.example"]) {
      const message = signMessage({ tags: { d, i: "jürgen@post.bücher.example" } });
      const [outcome] = await verifyMessage(message, { resolver });
      assert.equal(outcome?.result, "pass");
      assert.equal(outcome.domain, "xn--bcher-kva.example");
      assert.equal(outcome.identity, "jürgen@post.bücher.example");
    }
  });
});

describe("DKIM-008: i=", () => {
  for (const [i, expected] of [
    ["@example.org", "pass good-signature"],
    ["ann@example.org", "pass good-signature"],
    ["ann@EXAMPLE.org", "pass good-signature"],
    ["ann@mail.example.org", "pass good-signature"],
    ['"a@b"@example.org', "pass good-signature"],
    ["a=6En@example.org", "pass good-signature"],
    ["ann@mail. example.org", "pass good-signature"],
    ["ann@fexample.org", "permerror identity-mismatch"],
    ["ann@example.com", "permerror identity-mismatch"],
    ["ann@org", "permerror identity-mismatch"],
    ["ann@.example.org", "permerror identity-mismatch"],
    ["example.org", "permerror identity-mismatch"],
    ["a@b@example.org", "permerror identity-mismatch"],
    ["", "permerror identity-mismatch"],
  ] as const) {
    test(`i=${i}: ${expected}`, async () => {
      assert.equal(await verdict(signMessage({ tags: { i } })), expected);
    });
  }

  test("t=s in the key forbids a sub-domain", async () => {
    const resolver = keyResolver(`v=DKIM1; k=ed25519; t=y:s; ${edRecord}`);
    assert.equal(
      await verdict(signMessage({ tags: { i: "a@m.example.org" } }), { resolver }),
      "permerror identity-mismatch",
    );
    assert.equal(await verdict(signMessage({ tags: { i: "a@example.org" } }), { resolver }), "pass good-signature");
    assert.equal(await verdict(signMessage(), { resolver }), "pass good-signature");
  });
});

describe("DKIM-013: t= and x=", () => {
  const now = signedAt / 1000;
  for (const [tags, expected] of [
    [{ t: `${now}` }, "pass good-signature"],
    [{ t: `${now + 3600}` }, "pass good-signature"],
    [{ t: `${now - 10}`, x: `${now + 10}` }, "pass good-signature"],
    [{ x: `${now}` }, "pass good-signature"],
    [{ x: `${now - 1}` }, "permerror signature-expired"],
    [{ t: `${now + 20}`, x: `${now + 10}` }, "permerror time-invalid"],
    [{ t: `${now}`, x: `${now}` }, "permerror time-invalid"],
    [{ t: "0", x: "1000000000000" }, "pass good-signature"],
    [{ t: "1000000000000" }, "pass good-signature"],
    [{ x: "9".repeat(16) }, "permerror time-invalid"],
    [{ t: "yesterday" }, "permerror time-invalid"],
    [{ x: "" }, "permerror time-invalid"],
  ] as const) {
    test(`${JSON.stringify(tags)}: ${expected}`, async () => {
      assert.equal(await verdict(signMessage({ tags })), expected);
    });
  }
});
