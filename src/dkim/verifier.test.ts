import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  edited,
  keyResolver,
  plainFields,
  rsaKey,
  signatureOf,
  signMessage,
  verdict,
  verifyMessage,
} from "../testing/signed-message.ts";

describe("canonicalization pairs", () => {
  for (const header of ["simple", "relaxed"] as const) {
    for (const bodyForm of ["simple", "relaxed"] as const) {
      test(`DKIM-001: ${header}/${bodyForm} passes, and tells what it forgives`, async () => {
        const message = signMessage({ header, bodyForm });
        assert.equal(await verdict(message), "pass good-signature");
        assert.equal(
          await verdict(edited(message, "Subject: Lunch", "SUBJECT : \t Lunch ")),
          header === "relaxed" ? "pass good-signature" : "fail signature-mismatch",
        );
        assert.equal(
          await verdict(edited(message, "you hungry?", "you \t hungry? ")),
          bodyForm === "relaxed" ? "pass good-signature" : "fail body-hash-mismatch",
        );
        assert.equal(await verdict(edited(message, "?\r\n", "?\r\n\r\n\r\n")), "pass good-signature");
        assert.equal(await verdict(edited(message, "hungry?", "angry?")), "fail body-hash-mismatch");
        assert.equal(await verdict(edited(message, "Lunch", "Dinner")), "fail signature-mismatch");
      });
    }
  }

  test("DKIM-001: c= with one name is simple for the body, without c= all is simple", async () => {
    const one = signMessage({ bodyForm: "simple", tags: { c: "relaxed" } });
    assert.equal(await verdict(one), "pass good-signature");
    const none = signMessage({ header: "simple", bodyForm: "simple", tags: { c: undefined } });
    assert.equal(await verdict(none), "pass good-signature");
    assert.equal(
      await verdict(signMessage({ tags: { c: "relaxed/relaxed/x" } })),
      "permerror canonicalization-unknown",
    );
    assert.equal(await verdict(signMessage({ tags: { c: "loose" } })), "permerror canonicalization-unknown");
  });

  test("DKIM-001: a message cut anywhere has the same verdicts", async () => {
    const good = signMessage({ body: "Are  you\t\r\n hungry? \r\n\r\nYes.\r\n \r\n\r\n" });
    const bad = edited(good, "Yes", "No");
    for (let at = 0; at <= good.length; at++) {
      assert.equal(await verdict(good, { cuts: [at] }), "pass good-signature", `cut at ${at}`);
      assert.equal(await verdict(bad, { cuts: [at, at + 1, at + 3] }), "fail body-hash-mismatch", `cut at ${at}`);
    }
  });

  test("DKIM-001: no way of cutting changes a verdict (property)", async () => {
    const text = fc.array(fc.constantFrom("a", " ", "\t", "\r\n", "b  c", ".", "\r\n\r\n"), { maxLength: 30 });
    const wishes = fc.record({
      body: text.map((parts) => parts.join("")),
      header: fc.constantFrom("simple" as const, "relaxed" as const),
      bodyForm: fc.constantFrom("simple" as const, "relaxed" as const),
    });
    await fc.assert(
      fc.asyncProperty(wishes, fc.array(fc.nat(700), { maxLength: 8 }), async (wish, cuts) => {
        const message = signMessage(wish);
        assert.equal(await verdict(message, { cuts: cuts.map((at) => at % message.length) }), "pass good-signature");
      }),
      { numRuns: 300 },
    );
  });

  test("DKIM-002: an empty body, and none at all", async () => {
    for (const bodyForm of ["simple", "relaxed"] as const) {
      const message = signMessage({ bodyForm, body: "" });
      assert.equal(await verdict(message), "pass good-signature");
      assert.equal(await verdict(message.subarray(0, -2)), "pass good-signature");
      assert.equal(await verdict(edited(message, "\r\n\r\n", "\r\n\r\n\r\n\r\n")), "pass good-signature");
    }
  });
});

describe("DKIM-003: the emptied b=", () => {
  test("folding inside b= counts for nothing with relaxed, and its own white space never", async () => {
    for (const header of ["simple", "relaxed"] as const) {
      const message = signMessage({ header }).toString("latin1");
      const folded = message.replace(
        / b=(.{20})(.*)\r\n/,
        (_, a: string, b: string) => ` b=\r\n\t ${a} \r\n ${b} \r\n`,
      );
      assert.equal(await verdict(Buffer.from(folded, "latin1")), "pass good-signature");
    }
  });

  test("b= may stand anywhere, and tags that begin with b are not it", async () => {
    const message = signMessage({ tags: { bx: "b=1", n: "x b" } }).toString("latin1");
    assert.equal(await verdict(Buffer.from(message, "latin1")), "pass good-signature");
    const [first = "", ...rest] = message.split("\r\n");
    const value = / b=(.*)$/.exec(first)?.[1] ?? "";
    // Elsewhere it is other text that is signed, so it fails; but it is found.
    const moved = [first.replace(/ b=.*$/, "").replace("v=1;", `v=1; b=${value};`), ...rest].join("\r\n");
    assert.equal(await verdict(Buffer.from(moved, "latin1")), "fail signature-mismatch");
  });

  test("no other octet of the field may change", async () => {
    const message = signMessage({ tags: { n: "note" } });
    assert.equal(await verdict(edited(message, "n=note", "n=nope")), "fail signature-mismatch");
  });
});

describe("DKIM-007: From", () => {
  test("h= without From", async () => {
    assert.equal(await verdict(signMessage({ names: "subject:date" })), "permerror from-not-signed");
    assert.equal(await verdict(signMessage({ names: "fr om:subject" })), "permerror from-not-signed");
  });

  test("From in any case", async () => {
    assert.equal(await verdict(signMessage({ names: "FROM : Subject" })), "pass good-signature");
  });

  test("no signature of a message with several From fields passes", async () => {
    const fields = [...plainFields, "From: Eve <eve@example.com>"];
    assert.equal(await verdict(signMessage({ fields })), "policy several-from");
    assert.equal(await verdict(signMessage({ fields, names: "from:from" })), "policy several-from");
    const added = edited(signMessage(), "From: Ann", "From: Eve <eve@example.com>\r\nFrom: Ann");
    assert.equal(await verdict(added), "policy several-from");
  });
});

describe("DKIM-009: which fields", () => {
  test("of several the lowest are signed first", async () => {
    const fields = ["Received: third", "Received: second", "Received: first", ...plainFields];
    const message = signMessage({ fields, names: "from:received:received" });
    assert.equal(await verdict(edited(message, "third", "changed")), "pass good-signature");
    assert.equal(await verdict(edited(message, "second", "changed")), "fail signature-mismatch");
    assert.equal(await verdict(edited(message, "Received: third", "X: y\r\nReceived: third")), "pass good-signature");
  });

  test("a name without its field keeps that field from being added", async () => {
    const message = signMessage({ names: "from:from:subject:subject:reply-to" });
    assert.equal(await verdict(message), "pass good-signature");
    for (const added of ["Subject: Free money", "Reply-To: eve@example.com", "From: eve@example.com"]) {
      const above = Buffer.concat([Buffer.from(`${added}\r\n`), message]);
      assert.equal(await verdict(above), "fail signature-mismatch", added);
      assert.equal(
        await verdict(edited(message, "\r\n\r\n", `\r\n${added}\r\n\r\n`)),
        "fail signature-mismatch",
        added,
      );
    }
  });

  test("a signature never signs itself, but others", async () => {
    const fields = ["DKIM-Signature: v=1; d=first.example", ...plainFields];
    const message = signMessage({ fields, names: "from:dkim-signature:dkim-signature" });
    const [own] = await verifyMessage(message);
    assert.equal(own?.result, "pass");
    const [changed] = await verifyMessage(edited(message, "first.example", "other.example"));
    assert.equal(changed?.result, "fail");
  });
});

describe("DKIM-011: l=", () => {
  test("what follows the signed octets is nobody's", async () => {
    const message = signMessage({ bodyLength: 17 });
    assert.equal(await verdict(message), "pass good-signature");
    const appended = Buffer.concat([message, Buffer.from("<p>Buy now</p>\r\n")]);
    assert.equal(await verdict(appended), "policy unsigned-tail");
    assert.equal(await verdict(Buffer.concat([message, Buffer.from("\r\n\r\n")])), "pass good-signature");
  });

  test("l= that leaves out the last CRLF and nothing else passes: no body ends in anything else", async () => {
    const message = signMessage({ bodyLength: 15 });
    assert.equal(await verdict(message), "pass good-signature");
    assert.equal(await verdict(Buffer.concat([message, Buffer.from("\r\n\r\n")])), "pass good-signature");
    assert.equal(await verdict(Buffer.concat([message, Buffer.from("x\r\n")])), "policy unsigned-tail");
    assert.equal(await verdict(signMessage({ bodyLength: 14 })), "policy unsigned-tail");
  });

  test("l=0 covers nothing", async () => {
    assert.equal(await verdict(signMessage({ bodyLength: 0 })), "policy unsigned-tail");
    assert.equal(await verdict(signMessage({ bodyLength: 0, body: "" })), "pass good-signature");
  });

  test("l= larger than the body fails", async () => {
    assert.equal(await verdict(signMessage({ bodyLength: 18 })), "fail body-too-short");
    assert.equal(await verdict(signMessage({ tags: { l: "9".repeat(76) } })), "fail body-too-short");
    assert.equal(await verdict(signMessage({ tags: { l: "9".repeat(77) } })), "permerror signature-syntax");
  });

  test("a change within the signed octets fails", async () => {
    assert.equal(await verdict(edited(signMessage({ bodyLength: 5 }), "Are", "Art")), "fail body-hash-mismatch");
  });
});

describe("DKIM-014: many signatures", () => {
  test("each is judged alone, in the order of the fields", async () => {
    const good = signMessage();
    const message = Buffer.concat([
      signatureOf(signMessage({ tags: { v: "7" } })),
      signatureOf(edited(good, " b=", " b=AAAA")),
      signatureOf(signMessage({ tags: { s: "gone" } })),
      good,
    ]);
    const outcomes = await verifyMessage(message);
    assert.deepEqual(
      outcomes.map(({ reason }) => reason),
      ["version-unknown", "signature-mismatch", "no-key", "good-signature"],
    );
  });

  test("beyond ten that could pass, nothing is asked and nothing judged", async () => {
    const resolver = keyResolver();
    const message = Buffer.concat([
      ...Array.from({ length: 30 }, (_, index) => signatureOf(signMessage({ tags: { s: `s${index}` } }))),
      signMessage(),
    ]);
    const outcomes = await verifyMessage(message, { resolver });
    assert.equal(resolver.queries.length, 10);
    assert.deepEqual(
      outcomes.map(({ result, reason }) => `${result} ${reason}`),
      [...Array<string>(10).fill("permerror no-key"), ...Array<string>(21).fill("policy too-many-signatures")],
    );
  });

  test("thousands of fields that are none cost no query", async () => {
    const resolver = keyResolver();
    const message = Buffer.concat([Buffer.from("DKIM-Signature: v=1; a=b\r\n".repeat(5000)), signMessage()]);
    const outcomes = await verifyMessage(message, { resolver });
    assert.equal(outcomes.length, 5001);
    assert.equal(outcomes[0]?.reason, "tag-missing");
    assert.equal(outcomes[99]?.reason, "tag-missing");
    assert.equal(outcomes[100]?.reason, "too-many-signatures");
    assert.deepEqual(resolver.queries, []);
  });

  test("signatures of one domain can be told apart by the start of b= (RFC 6008)", async () => {
    const message = Buffer.concat([signatureOf(signMessage({ key: rsaKey })), signMessage()]);
    const starts = (await verifyMessage(message)).map(({ signatureStart }) => signatureStart);
    assert.ok(starts.every((start) => start.length === 8));
    assert.notEqual(starts[0], starts[1]);
    assert.ok(message.includes(`b=${starts[1]}`));
  });
});
