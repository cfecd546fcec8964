/**
 * What was found about the sender of a message, in sentences for the person who asks why, and as facts for scripts. Says
 * nothing that the checks did not find; the words for single results are theirs.
 */
import { sentence } from "../../lib/sentence.ts";
import type { ArcOutcome } from "../../arc/arc-outcome.ts";
import type { DkimOutcome } from "../../dkim/dkim-outcome.ts";
import type { DmarcOutcome, DmarcRecord } from "../../dmarc/dmarc-outcome.ts";
import { isOfDomain } from "../../policy/authentication/alignment.ts";
import type { ReverseDnsOutcome } from "../../policy/authentication/reverse-dns.ts";
import type { SenderFindings } from "../../policy/authentication/sender-verdict.ts";
import type { SpfOutcome } from "../../spf/spf-outcome.ts";

export interface ExplainedCheck {
  readonly check: "iprev" | "spf" | "spf-helo" | "dkim" | "arc" | "dmarc";
  readonly title: string;
  readonly result: string;
  /** Each begins with a capital letter or a name, and has its full stop. */
  readonly sentences: readonly string[];
  /** For scripts, in snake_case. */
  readonly facts: Readonly<Record<string, Fact>>;
}
type Fact = string | number | boolean | null | readonly string[];

/** In the order in which one builds on another. */
export function explainVerdict(findings: SenderFindings): readonly ExplainedCheck[] {
  const { iprev, spf, helo, dkim, arc } = findings;
  return [
    explainReverseDns(iprev),
    explainSpf(spf),
    ...(helo === undefined ? [] : [explainSpf(helo)]),
    ...(dkim.length === 0 ? [noSignature] : dkim.map(explainDkim)),
    explainArc(arc),
    explainDmarc(findings),
  ];
}

function explainReverseDns({ result, name, detail }: ReverseDnsOutcome): ExplainedCheck {
  return { check: "iprev", title: "Reverse DNS", result, sentences: [sentence(detail)], facts: { name: name ?? null } };
}

function explainSpf(outcome: SpfOutcome): ExplainedCheck {
  const { result, identity, domain, reason, explanation, lookups, voidLookups } = outcome;
  const sentences = [sentence(domain === "" ? reason : `${spfMeaning(outcome)}: ${reason}`)];
  if (explanation !== undefined) sentences.push(sentence(`${domain} explains: "${explanation}"`));
  if (lookups > 0) sentences.push(`The record used ${lookups} of the 10 DNS lookups that SPF allows.`);
  return {
    check: identity === "helo" ? "spf-helo" : "spf",
    title: identity === "helo" ? "SPF, HELO" : "SPF, MAIL FROM",
    result,
    sentences,
    facts: { domain, reason, explanation: explanation ?? null, lookups, void_lookups: voidLookups },
  };
}

function spfMeaning({ result, domain }: SpfOutcome): string {
  switch (result) {
    case "pass":
      return `${domain} allows this host to send`;
    case "fail":
      return `${domain} says that this host may not send`;
    case "softfail":
      return `${domain} says that this host should not be sending, but is not sure`;
    case "neutral":
      return `${domain} says neither that this host may send nor that it may not`;
    case "none":
      return `${domain} says nothing`;
    case "temperror":
      return `Temporary DNS failure: cannot check whether ${domain} allows this host to send`;
    case "permerror":
      return `The SPF record of ${domain} is invalid`;
    default:
      return result satisfies never;
  }
}

const noSignature: ExplainedCheck = {
  check: "dkim",
  title: "DKIM",
  result: "none",
  sentences: ["The message has no DKIM signature."],
  facts: {},
};

function explainDkim(outcome: DkimOutcome): ExplainedCheck {
  const { result, reason, detail, domain, selector, algorithm, keyBits, testing } = outcome;
  const whose = domain === "" ? "A signature" : `The signature of ${domain} (selector ${selector})`;
  const sentences = [sentence(`${whose}: ${plainWords.get(reason) ?? detail}`)];
  if (testing) sentences.push(`${domain} marks this key as a test key (t=y).`);
  return {
    check: "dkim",
    title: "DKIM",
    result,
    sentences,
    facts: { domain, selector, algorithm, key_bits: keyBits ?? null, reason, testing },
  };
}

/** Where the reason alone leaves people wondering what may have happened. */
const plainWords: ReadonlyMap<string, string> = new Map([
  ["good-signature", "it is valid, so the signed header fields and the body are unchanged"],
  [
    "body-hash-mismatch",
    "the body was changed after signing; adding a footer, another encoding or a rewritten link is enough to cause this",
  ],
  [
    "signature-mismatch",
    "the body is unchanged, but a signed header field was changed, added or removed, or the key in DNS is a different one",
  ],
  ["body-too-short", "a part of the body was removed after signing"],
  ["unsigned-tail", "it covers only the beginning of the body (l=), so anyone could have added the rest"],
  ["sha1-refused", "it uses SHA-1, which is no longer secure"],
]);

function explainArc({ result, detail, instance, oldestPass, sealers }: ArcOutcome): ExplainedCheck {
  const sentences = [sentence(detail)];
  if (sealers.length > 0) {
    const claim = result === "pass" ? "It was sealed by" : "It claims to have been sealed by";
    sentences.push(`${claim} ${sealers.toReversed().join(", then by ")}.`);
  }
  if (oldestPass !== undefined && oldestPass > 1) {
    sentences.push(`The message has not changed since set ${oldestPass} was added; it was changed before that.`);
  }
  return {
    check: "arc",
    title: "ARC",
    result,
    sentences,
    facts: { instance, oldest_pass: oldestPass ?? null, sealers },
  };
}

function explainDmarc({ dmarc, spf, helo, dkim }: SenderFindings): ExplainedCheck {
  const { result, detail, authorDomain, policyDomain, organizationalDomain, record, policy, policyTag } = dmarc;
  const sentences: string[] = [];
  if (authorDomain !== undefined) sentences.push(`The author's domain (in From) is ${authorDomain}.`);
  if (record === undefined || policyDomain === undefined) {
    sentences.push(sentence(detail));
  } else {
    sentences.push(
      `Its policy is at _dmarc.${policyDomain}: ${recordText(record)}.`,
      ...explainAlignment(dmarc, record, [spf, ...(helo === undefined ? [] : [helo])], dkim),
      ...(result === "pass" ? [sentence(detail)] : explainPolicy(dmarc)),
    );
  }
  return {
    check: "dmarc",
    title: "DMARC",
    result,
    sentences,
    facts: {
      author_domain: authorDomain ?? null,
      policy_domain: policyDomain ?? null,
      organizational_domain: organizationalDomain ?? null,
      record: record === undefined ? null : recordText(record),
      policy,
      policy_tag: policyTag ?? null,
      spf_aligned: dmarc.spfAligned,
      dkim_aligned: dmarc.dkimAligned,
    },
  };
}

function explainAlignment(
  dmarc: DmarcOutcome,
  record: DmarcRecord,
  [spf]: readonly SpfOutcome[],
  dkim: readonly DkimOutcome[],
): readonly string[] {
  const sentences: string[] = [];
  if (spf?.result === "pass") {
    sentences.push(alignmentSentence("SPF", spf.domain, record.aspf, dmarc.spfAligned, dmarc));
  } else {
    sentences.push("SPF did not pass, so it authenticates no domain.");
  }
  const passed = new Set(dkim.filter(({ result }) => result === "pass").map(({ domain }) => domain));
  for (const domain of passed) {
    sentences.push(alignmentSentence("DKIM", domain, record.adkim, dmarc.dkimAligned, dmarc));
  }
  if (passed.size === 0) sentences.push("No DKIM signature passed, so DKIM authenticates no domain.");
  return sentences;
}

/** `some`: one of the domains that the mechanism passed for is aligned. */
function alignmentSentence(
  mechanism: "SPF" | "DKIM",
  domain: string,
  mode: DmarcRecord["aspf"],
  some: boolean,
  dmarc: DmarcOutcome,
): string {
  const { authorDomain = "" } = dmarc;
  const start = `${mechanism} passed for ${domain}`;
  if (domain === authorDomain) return `${start}, which is the author's domain: aligned.`;
  if (mode === "strict") return `${start}, but alignment is strict: only ${authorDomain} itself would be aligned.`;
  return some && isOfDomain(domain, dmarc)
    ? `${start}, which belongs to the same organization as ${authorDomain}: aligned.`
    : `${start}, which does not belong to the same organization as ${authorDomain}: not aligned.`;
}

function explainPolicy({ result, detail, authorDomain = "", policy, policyTag, record }: DmarcOutcome): string[] {
  if (result !== "fail") return [sentence(detail)];
  const testing = record?.testing === true ? ", lowered by one step because the domain is testing (t=y)" : "";
  switch (policy) {
    case "none":
      return [`For mail that fails, ${authorDomain} requests no action (${policyTag ?? "p"}=none${testing}).`];
    case "quarantine":
      return [
        `For mail that fails, ${authorDomain} requests delivery to Junk (${policyTag ?? "p"}=quarantine${testing}).`,
      ];
    case "reject":
      return [`For mail that fails, ${authorDomain} requests rejection (${policyTag ?? "p"}=reject).`];
    default:
      return policy satisfies never;
  }
}

/** What counts of the record, with its defaults. */
function recordText({ p, sp, np, adkim, aspf, testing }: DmarcRecord): string {
  const tags = [`p=${p}`];
  if (sp !== undefined) tags.push(`sp=${sp}`);
  if (np !== undefined) tags.push(`np=${np}`);
  tags.push(`adkim=${adkim.charAt(0)}`, `aspf=${aspf.charAt(0)}`);
  if (testing) tags.push("t=y");
  return tags.join("; ");
}
