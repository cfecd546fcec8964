/** What a client hears when its message is refused or deferred for what was found about the sender. */
import { type Refusal, refuse } from "../decision.ts";
import { isOfDomain } from "./alignment.ts";
import type { SenderFindings } from "./sender-verdict.ts";

/** A message may have many signatures; the first ones tell enough. */
const signaturesShown = 2;

/** RFC 7208 §8.4 to §8.7 with the enhanced codes of RFC 7372 §3.2; `undefined` for results that refuse nothing. */
export function refusalOfSpf({ spf }: SenderFindings, client: string): Refusal | undefined {
  const { result, domain, reason: fault, explanation = "" } = spf;
  switch (result) {
    case "fail":
      return refuse("spf-fail", { client, domain, explanation });
    case "permerror":
      return refuse("spf-permerror", { domain, fault });
    case "temperror":
      return refuse("spf-temperror", { domain, fault });
    case "none":
    case "neutral":
    case "softfail":
    case "pass":
      // RFC 7208 §8.2, §8.5: neutral is as none, softfail alone refuses nothing.
      return undefined;
    default:
      return result satisfies never;
  }
}

/** RFC 9989 §5.4: with the author's domain, the identifiers that were checked, and what was wrong with each. */
export function refusalOfDmarc(findings: SenderFindings, policy: string, setting: string): Refusal {
  const author = findings.dmarc.authorDomain ?? "its author";
  return refuse("dmarc-fail", { author, policy, failures: failureWords(findings) }, setting);
}

export function deferralOfDmarc({ dmarc }: SenderFindings): Refusal {
  return refuse("dmarc-temperror", { author: dmarc.authorDomain ?? "the author's domain", fault: dmarc.detail });
}

export function refusalOfAuthor(fault: string): Refusal {
  return refuse("unreadable-author", { fault });
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
