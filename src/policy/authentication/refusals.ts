/** What a client hears when its message is refused or put off for what was found about the sender. */
import { reply } from "../../smtp/reply.ts";
import type { Refusal } from "../decision.ts";
import { isOfDomain } from "./alignment.ts";
import type { SenderFindings } from "./sender-verdict.ts";

/** One line of a reply stays below the 512 octets of RFC 5321 §4.5.3.1.5 with its code. */
const textLengthMax = 480;
/** A message may have many signatures; the first ones tell enough. */
const signaturesShown = 2;

/** RFC 7208 §8.4 to §8.7 with the enhanced codes of RFC 7372 §3.2; `undefined` for results that refuse nothing. */
export function refusalOfSpf({ spf }: SenderFindings, clientAddress: string): Refusal | undefined {
  const setting = "authentication.spf_fail";
  switch (spf.result) {
    case "fail": {
      const explained = spf.explanation === undefined ? "" : `; ${spf.domain} explains: ${spf.explanation}`;
      const text = `SPF: ${clientAddress} may not send for ${spf.domain}${explained}`;
      return { verdict: "reject", reply: reply(550, "5.7.23", bounded(text)), reason: "spf-fail", setting };
    }
    case "permerror": {
      const text = `SPF: the record of ${spf.domain} is invalid: ${spf.reason}`;
      return { verdict: "reject", reply: reply(550, "5.7.24", bounded(text)), reason: "spf-permerror", setting };
    }
    case "temperror": {
      const text = `Temporary DNS failure: cannot read the SPF record of ${spf.domain}; try again later`;
      return { verdict: "defer", reply: reply(451, "4.4.3", bounded(text)), reason: "spf-temperror", setting };
    }
    case "none":
    case "neutral":
    case "softfail":
    case "pass":
      // RFC 7208 §8.2, §8.5: neutral is as none, softfail alone refuses nothing.
      return undefined;
    default:
      return spf.result satisfies never;
  }
}

/** RFC 9989 §5.4: with the author's domain, the identifiers that were checked, and what was wrong with each. */
export function refusalOfDmarc(findings: SenderFindings, policy: string, setting: string): Refusal {
  const { dmarc } = findings;
  const text = `Mail from ${dmarc.authorDomain ?? "its author"} fails DMARC (${policy}): ${failureWords(findings)}`;
  return { verdict: "reject", reply: reply(550, "5.7.1", bounded(text)), reason: "dmarc-fail", setting };
}

export function deferralOfDmarc({ dmarc }: SenderFindings): Refusal {
  const domain = dmarc.authorDomain ?? "the author's domain";
  const text = `Temporary DNS failure: cannot verify that ${domain} sent this; try again later`;
  return {
    verdict: "defer",
    reply: reply(451, "4.7.1", bounded(text)),
    reason: "dmarc-temperror",
    setting: "dmarc.temporary_failure",
  };
}

export function refusalOfAuthor(detail: string): Refusal {
  return {
    verdict: "reject",
    reply: reply(550, "5.7.1", bounded(`The From field does not identify a single domain: ${detail}`)),
    reason: "unreadable-author",
    setting: "dmarc.unreadable_author",
  };
}

/** `SPF fail for a.example, DKIM body-hash-mismatch for b.example`. */
export function failureWords({ spf, dkim, dmarc }: SenderFindings): string {
  const elsewhere = (domain: string) => (isOfDomain(domain, dmarc) ? "" : ", another domain");
  const spfWords =
    spf.domain === "" ? "SPF names no domain" : `SPF ${spf.result} for ${spf.domain}${elsewhere(spf.domain)}`;
  if (dkim.length === 0) return `${spfWords}; no DKIM signature`;
  const signatures = dkim.slice(0, signaturesShown).map(({ result, reason, domain }) => {
    const words = result === "pass" ? "pass" : `${result} (${reason})`;
    return `DKIM ${words} for ${domain === "" ? "an unreadable signature" : domain}${elsewhere(domain)}`;
  });
  const more = dkim.length > signaturesShown ? `; ${dkim.length - signaturesShown} more signatures` : "";
  return `${spfWords}; ${signatures.join("; ")}${more}`;
}

function bounded(text: string): string {
  const line = text.replaceAll(/[^\u0020-\u007e]+/g, " ").trim();
  return line.length <= textLengthMax ? line : `${line.slice(0, textLengthMax - 3)}...`;
}
