/** Which mail must not be forwarded, because our reverse-path would prove what it only claims. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DmarcOutcome, DmarcRecord } from "../dmarc/dmarc-outcome.ts";
import { checkForwardedAuthor } from "./forwarded-author.ts";
import { checkSrsRecipient } from "./srs-recipient.ts";

const record: DmarcRecord = {
  p: "reject",
  adkim: "relaxed",
  aspf: "relaxed",
  testing: false,
  psd: "u",
  rua: [],
  ruf: [],
  fo: [],
};
const failed: DmarcOutcome = {
  result: "fail",
  detail: "",
  authorDomain: "example.org",
  organizationalDomain: "example.org",
  record,
  policy: "reject",
  spfAligned: false,
  dkimAligned: false,
};

function reason(
  changes: Partial<DmarcOutcome>,
  reversePath = "SRS0=x@mail.example.org",
  disposition: "junk" | "deliver" = "junk",
): string | undefined {
  const dmarc = { ...failed, ...changes };
  return checkForwardedAuthor({ dmarc, disposition }, { reversePath, headerBlock: "" }, "mail.example.org")?.reason;
}

test("a failed author with whom our reverse-path aligns is refused, by SPF of the EHLO name for the null one", () => {
  assert.equal(reason({}), "forwarded-author-forged");
  assert.equal(reason({}, "ann@example.org"), "forwarded-author-forged");
  assert.equal(reason({}, ""), "forwarded-author-forged");
  assert.equal(reason({}, "SRS0=x@MAIL.Example.ORG"), "forwarded-author-forged");
  assert.equal(reason({ policy: "quarantine" }), "forwarded-author-forged");
  assert.equal(reason({ authorDomain: "news.example.org" }), "forwarded-author-forged");
  assert.equal(reason({ authorDomain: "news.mail.example.org" }), "forwarded-author-forged");
});

test("what passed, has no policy, does not align, or is believed here all the same goes on", () => {
  for (const result of ["pass", "none", "temperror", "permerror"] as const) assert.equal(reason({ result }), undefined);
  assert.equal(reason({ policy: "none" }), undefined);
  assert.equal(reason({}, "SRS0=x@fwd.example.net"), undefined);
  assert.equal(reason({ authorDomain: "origin.test", organizationalDomain: "origin.test" }), undefined);
  assert.equal(reason({}, undefined, "deliver"), undefined);
  assert.equal(reason({ record: { ...record, aspf: "strict" } }), undefined);
  assert.equal(reason({ record: { ...record, aspf: "strict" } }, "ann@example.org"), "forwarded-author-forged");
});

test("a rewritten reverse-path is a recipient if it is ours and valid, whatever else 550 5.1.1", () => {
  const mailbox = { localPart: "joe", domain: "origin.test", domainKey: "origin.test" };
  assert.equal(checkSrsRecipient({ kind: "address", mailbox }).verdict, "accept");
  for (const kind of ["forged", "expired"] as const) {
    const decision = checkSrsRecipient({ kind });
    assert.ok(decision.verdict === "reject");
    assert.equal(decision.reply.code, 550);
    assert.equal(decision.reason, `forwarding-address-${kind}`);
  }
});
