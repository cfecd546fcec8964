import assert from "node:assert/strict";
import { test } from "node:test";
import type { ArcOutcome } from "../../arc/arc-outcome.ts";
import type { AuthorDomain } from "../../dmarc/author-domain.ts";
import type { DmarcOutcome, DmarcPolicy } from "../../dmarc/dmarc-outcome.ts";
import { parseHeaderFields } from "../../message/header-section.ts";
import { failingFindings, senderSettings, type SenderSettingsInput, strangeClient } from "../../testing/sender-zone.ts";
import type { ClientReputation } from "./evidence.ts";
import { decideHandling } from "./handling.ts";
import type { HandlingRule, SenderFindings, SenderHandling } from "./sender-verdict.ts";

interface Case {
  readonly findings?: SenderFindings;
  readonly settings?: SenderSettingsInput;
  readonly header?: string;
  readonly author?: AuthorDomain;
  readonly localPart?: string;
  readonly reputation?: ClientReputation;
  readonly clientAddress?: string;
}

function decide(given: Case = {}) {
  const { findings = failingFindings(), settings, header = "", author, localPart, reputation } = given;
  const facts = {
    findings,
    clientAddress: given.clientAddress ?? strangeClient,
    localPart: localPart ?? "chef",
    header: parseHeaderFields(Buffer.from(header)),
    author: author ?? ({ kind: "domain", domain: "example.org" } as const),
  };
  return decideHandling(facts, senderSettings(settings), reputation);
}

/** `deliver`, `junk`, `reject 550 5.7.1`, `defer 451 4.7.1`. */
function done({ disposition, decision }: SenderHandling): string {
  if (decision === undefined) return disposition;
  return `${decision.verdict} ${decision.reply.code} ${decision.reply.status ?? ""}`;
}

function withDmarc(changes: Partial<DmarcOutcome>, more: Partial<SenderFindings> = {}): SenderFindings {
  const findings = failingFindings(more);
  return { ...findings, dmarc: { ...findings.dmarc, ...changes } };
}

test("DMARC-012 DMARC-014 DMARC-015: result, policy and the setting together", () => {
  const reject = ["never", "with-evidence", "always"] as const;
  const expected: Readonly<Record<string, readonly [string, string, string]>> = {
    "pass reject": ["deliver", "deliver", "deliver"],
    "none none": ["deliver", "deliver", "deliver"],
    "permerror none": ["deliver", "deliver", "deliver"],
    "fail none": ["deliver", "deliver", "deliver"],
    "fail quarantine": ["junk", "junk", "junk"],
    "fail reject": ["junk", "reject 550 5.7.1", "reject 550 5.7.1"],
    "temperror none": ["deliver", "deliver", "deliver"],
    "temperror quarantine": ["defer 451 4.7.1", "defer 451 4.7.1", "defer 451 4.7.1"],
    "temperror reject": ["defer 451 4.7.1", "defer 451 4.7.1", "defer 451 4.7.1"],
  };
  for (const [name, outcomes] of Object.entries(expected)) {
    const [result, policy] = name.split(" ") as [DmarcOutcome["result"], DmarcPolicy];
    const findings = withDmarc({ result, policy });
    const got = reject.map((value) => done(decide({ findings, settings: { dmarc: { reject: value } } })));
    assert.deepEqual(got, outcomes, name);
  }
});

test("DMARC-013: an unknown policy defers; a pass of the author's own domain, a local none, or the setting lets it in", () => {
  const { record: _, ...dmarc } = { ...failingFindings().dmarc, result: "temperror", policy: "none" } as const;
  const findings = { ...failingFindings(), dmarc };
  assert.equal(done(decide({ findings })), "defer 451 4.7.1");
  const spf = { ...findings.spf, result: "pass" } as const;
  assert.equal(done(decide({ findings: { ...findings, spf } })), "deliver");
  const elsewhere = { ...spf, domain: "other.example" } as const;
  assert.equal(done(decide({ findings: { ...findings, spf: elsewhere } })), "defer 451 4.7.1");
  assert.equal(done(decide({ findings, settings: { dmarc: { temporary_failure: "deliver" } } })), "deliver");
  const override = [{ domain: "example.org", policy: "none" }] as const;
  assert.equal(done(decide({ findings, settings: { dmarc: { override: [...override] } } })), "deliver");
  const networks = { trusted_forwarders: ["198.51.100.0/24"] };
  assert.equal(done(decide({ findings, settings: { authentication: networks } })), "deliver");
});

test("with evidence: whatever suggests a forwarder or a list keeps the message out of the refusals", () => {
  const settings = { dmarc: { reject: "with-evidence" } } as const;
  const fields = [
    "List-Id: <x.example>",
    "List-Unsubscribe: <mailto:x@y.example>",
    "Precedence: LIST",
    "Precedence: bulk",
    "Mailing-List: contact x",
    "ARC-Seal: i=1; broken",
    "Resent-From: a@b.example",
    "X-Forwarded-To: a@b.example",
  ];
  for (const field of fields) {
    const handling = decide({ settings, header: `Subject: x\r\n${field}\r\n` });
    assert.equal(done(handling), "junk", field);
    const list = /^(?:list|prec|mail)/i.test(field);
    assert.equal(handling.override?.type, list ? "mailing_list" : "local_policy", field);
  }
  assert.equal(done(decide({ settings, header: "Precedence: junk\r\n" })), "reject 550 5.7.1");
  assert.equal(done(decide({ settings, localPart: "SRS0=abcd=tt=example.org=ann" })), "junk");
  const signature = {
    result: "pass",
    reason: "good-signature",
    detail: "",
    domain: "list.example",
    selector: "s",
    algorithm: "rsa-sha256",
    signatureStart: "abc",
    testing: false,
  } as const;
  assert.equal(done(decide({ settings, findings: failingFindings({ dkim: [signature] }) })), "junk");
  const broken = { ...signature, result: "fail", reason: "body-hash-mismatch", domain: "example.org" } as const;
  assert.equal(done(decide({ settings, findings: failingFindings({ dkim: [broken] }) })), "reject 550 5.7.1");
  const spf = { ...failingFindings().spf, result: "pass", domain: "forwarder.example" } as const;
  assert.equal(done(decide({ settings, findings: failingFindings({ spf }) })), "junk");
});

test("with evidence: something must speak against the client; a reputation outweighs the rest both ways", () => {
  const settings = { dmarc: { reject: "with-evidence" } } as const;
  const iprev = { result: "pass", name: "mail.example", detail: "" } as const;
  const spf = { ...failingFindings().spf, result: "softfail" } as const;
  const nothing = failingFindings({ spf, iprev });
  assert.equal(done(decide({ settings, findings: nothing })), "junk");
  assert.equal(
    done(decide({ settings, findings: { ...nothing, iprev: { result: "fail", detail: "" } } })),
    "reject 550 5.7.1",
  );
  assert.equal(
    done(decide({ settings, findings: { ...nothing, iprev: { result: "temperror", detail: "" } } })),
    "junk",
  );
  assert.equal(done(decide({ settings, findings: failingFindings({ iprev }) })), "reject 550 5.7.1");
  assert.equal(done(decide({ settings, findings: nothing, reputation: () => "bad" })), "reject 550 5.7.1");
  assert.equal(done(decide({ settings, reputation: () => "good" })), "junk");
});

test("an override of the author's domain replaces what it asks for, the longest name first", () => {
  const override = (...list: readonly (readonly [string, "published" | "none" | "quarantine" | "reject"])[]) => ({
    dmarc: { override: list.map(([domain, policy]) => ({ domain, policy })) },
  });
  const of = (settings: SenderSettingsInput, changes: Partial<DmarcOutcome> = {}) => {
    const handling = decide({ settings, findings: withDmarc(changes) });
    return [done(handling), handling.setting, handling.override?.type];
  };
  assert.deepEqual(of(override(["example.org", "none"])), ["deliver", "dmarc.override example.org", "local_policy"]);
  assert.deepEqual(of(override(["example.org", "reject"])), [
    "reject 550 5.7.1",
    "dmarc.override example.org",
    undefined,
  ]);
  assert.deepEqual(of(override(["*", "none"])), ["deliver", "dmarc.override *", "local_policy"]);
  assert.deepEqual(of(override(["*", "none"], ["example.org", "published"])), ["junk", "dmarc.reject", "local_policy"]);
  const sub = { authorDomain: "news.example.org" };
  assert.deepEqual(of(override(["example.org", "quarantine"], ["*", "none"]), sub), [
    "junk",
    "dmarc.override example.org",
    "local_policy",
  ]);
  assert.deepEqual(of(override(["org", "none"], ["news.example.org", "reject"]), sub)[0], "reject 550 5.7.1");
  assert.deepEqual(of(override(["ample.org", "none"]))[1], "dmarc.reject", "a name is whole labels");
  // Also upwards, since it is what somebody wrote for this very domain.
  assert.deepEqual(of(override(["example.org", "reject"]), { policy: "none" })[0], "reject 550 5.7.1");
});

test("t=y is told as the reason why less was done", () => {
  const { record } = failingFindings().dmarc;
  assert.ok(record);
  const findings = withDmarc({ record: { ...record, testing: true }, policy: "quarantine" });
  const handling = decide({ findings });
  assert.equal(done(handling), "junk");
  assert.equal(handling.override?.type, "policy_test_mode");
});

test("ARC-007: a chain that holds counts only for sealers that are trusted, and only with a pass of the author", () => {
  const arc = (found: string, changes: Partial<ArcOutcome> = {}): ArcOutcome => ({
    result: "pass",
    detail: "",
    instance: 1,
    newestSealSaysFail: false,
    sealers: ["list.example"],
    sealersFound: [`x.example; ${found}`],
    ...changes,
  });
  const settings = {
    authentication: { trusted_sealers: ["List.Example", "second.example"] },
    dmarc: { reject: "always" },
  } as const;
  const with_ = (outcome: ArcOutcome, given: SenderSettingsInput = settings) => {
    const handling = decide({ findings: failingFindings({ arc: outcome }), settings: given });
    return `${done(handling)} ${handling.override?.type ?? ""}`.trim();
  };
  const good = "dmarc=pass header.from=example.org";
  const refused = "reject 550 5.7.1";
  assert.equal(with_(arc(good)), "deliver trusted_forwarder");
  assert.equal(with_(arc("dkim=pass header.d=example.org")), "deliver trusted_forwarder");
  assert.equal(with_(arc("spf=pass smtp.mailfrom=ann@mail.example.org")), "deliver trusted_forwarder");
  assert.equal(with_(arc(good), { dmarc: { reject: "always" } }), refused, "nobody is trusted by default");
  assert.equal(with_(arc(good, { sealers: ["stranger.example"] })), refused);
  assert.equal(with_(arc(good, { result: "fail" })), refused, "a chain that fails is none");
  assert.equal(with_(arc(good, { sealersFound: [] })), refused, "it is not known what the sealer found");
  assert.equal(with_(arc("dmarc=fail header.from=example.org")), refused);
  assert.equal(with_(arc("dmarc=pass header.from=other.example")), refused);
  assert.equal(with_(arc("dkim=pass header.d=notexample.org")), refused);
  // The second forwarder changed nothing and vouches for the first, which saw it pass.
  const both = { instance: 2, sealersFound: ["x; arc=pass; dmarc=fail header.from=example.org", `x; ${good}`] };
  assert.equal(with_(arc("", { ...both, sealers: ["second.example", "list.example"] })), "deliver trusted_forwarder");
  assert.equal(with_(arc("", { ...both, sealers: ["stranger.example", "list.example"] })), refused);
});

test("a trusted forwarder's mail is neither refused nor moved, and keeps its marks", () => {
  const settings = {
    authentication: { trusted_forwarders: ["198.51.100.0/24"], spf_fail: "reject" },
    dmarc: { reject: "always", unreadable_author: "reject" },
  } as const;
  const handling = decide({ settings });
  assert.equal(done(handling), "deliver");
  assert.equal(handling.override?.type, "trusted_forwarder");
  const author = { kind: "none", detail: "The message has no From field" } as const;
  assert.equal(done(decide({ settings, author })), "deliver");
});

test("DMARC-001: without a single author domain the setting decides", () => {
  for (const kind of ["none", "several", "malformed"] as const) {
    const author = { kind, detail: "From is strange" };
    const findings = withDmarc({ result: "none", policy: "none" });
    const by = (unreadable_author: "deliver" | "junk" | "reject") =>
      done(decide({ author, findings, settings: { dmarc: { unreadable_author } } }));
    assert.deepEqual([by("deliver"), by("junk"), by("reject")], ["deliver", "junk", "reject 550 5.7.1"]);
    assert.equal(done(decide({ author, findings })), "junk");
  }
});

test("SPF-014 SPF-015: SPF alone refuses only where it is told to, and only for what RFC 7208 lets it", () => {
  const expected = {
    fail: "reject 550 5.7.23",
    permerror: "reject 550 5.7.24",
    temperror: "defer 451 4.4.3",
    none: "deliver",
    neutral: "deliver",
    softfail: "deliver",
    pass: "deliver",
  } as const;
  for (const [result, code] of Object.entries(expected)) {
    const spf = { ...failingFindings().spf, result: result as keyof typeof expected };
    const findings = withDmarc({ result: "none", policy: "none" }, { spf });
    assert.equal(done(decide({ findings, settings: { authentication: { spf_fail: "reject" } } })), code, result);
    assert.equal(done(decide({ findings })), "deliver", result);
  }
});

test("a refusal is one line of printable ASCII, however long the names are", () => {
  const domain = `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.example`;
  const spf = { ...failingFindings().spf, domain, explanation: "x".repeat(250) };
  const dkim = Array.from({ length: 9 }, () => ({
    result: "fail" as const,
    reason: "body-hash-mismatch",
    detail: "",
    domain,
    selector: "s",
    algorithm: "rsa-sha256",
    signatureStart: "abc",
    testing: false,
  }));
  const findings = withDmarc({ authorDomain: domain }, { spf, dkim });
  const settings = [{ dmarc: { reject: "always" } }, { authentication: { spf_fail: "reject" } }] as const;
  for (const given of settings) {
    const { decision } = decide({ findings, settings: given });
    assert.ok(decision);
    const { lines } = decision.reply;
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? "", /^[\u0020-\u007e]{20,480}$/);
  }
});

test("each handling names the rule that decided, and every rule decides about something", () => {
  const temperror = withDmarc({ result: "temperror" });
  const aligned = { ...failingFindings().spf, result: "pass" } as const;
  const without = { ...failingFindings().spf, result: "softfail" } as const;
  const honestHost = { result: "pass", name: "mail.example", detail: "" } as const;
  const override = (policy: DmarcPolicy) => ({ dmarc: { override: [{ domain: "example.org", policy }] } });
  const cases: Readonly<Record<HandlingRule, Case>> = {
    "spf-alone": { settings: { authentication: { spf_fail: "reject" } } },
    "dmarc-settled": { findings: withDmarc({ result: "pass" }) },
    "policy-none": { settings: override("none") },
    "trusted-forwarder": { settings: { authentication: { trusted_forwarders: [`${strangeClient}/32`] } } },
    "unreadable-author": { author: { kind: "none", detail: "no From field" } },
    "hidden-without-policy": { findings: temperror, settings: override("none") },
    "hidden-author-passes": { findings: { ...temperror, spf: { ...aligned, domain: "example.org" } } },
    "hidden-by-dns-trouble": { findings: temperror },
    "trusted-seal": {
      findings: failingFindings({
        arc: {
          ...{ result: "pass", detail: "", instance: 1, newestSealSaysFail: false, sealers: ["lists.example"] },
          sealersFound: ["lists.example; dmarc=pass header.from=example.org"],
        },
      }),
      settings: { authentication: { trusted_sealers: ["lists.example"] } },
    },
    "client-hidden": { clientAddress: "", settings: { dmarc: { reject: "always" } } },
    quarantine: { findings: withDmarc({ policy: "quarantine" }) },
    "override-rejects": { settings: override("reject") },
    "reject-always": { settings: { dmarc: { reject: "always" } } },
    "reject-never": { settings: { dmarc: { reject: "never" } } },
    "signs-of-forwarding": { settings: { dmarc: { reject: "with-evidence" } }, header: "List-Id: <x.example>\r\n" },
    "evidence-against-client": { settings: { dmarc: { reject: "with-evidence" } } },
    "no-evidence": {
      findings: failingFindings({ spf: without, iprev: honestHost }),
      settings: { dmarc: { reject: "with-evidence" } },
    },
  };
  for (const [rule, one] of Object.entries(cases)) assert.equal(decide(one).rule, rule);
});
