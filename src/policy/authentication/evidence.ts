/**
 * What is known of a message that fails DMARC besides the failure (RFC 9989 §5.4, §7.4): signs that someone honest
 * passed it on, and signs against whoever brought it. `dmarc.reject = "with-evidence"` refuses only without any of the
 * first and with one of the second.
 *
 * Signs of forwarding are cheap to forge, and that is meant: they keep mail out of the refusals, not out of Junk.
 */
import type { HeaderSection } from "../../message/header-section.ts";
import { isOfDomain } from "./alignment.ts";
import type { SenderFindings } from "./sender-verdict.ts";

/**
 * What is remembered of a client's former mail, or a blocklist says of it. There is none in this server yet; whoever has
 * one gives it to SenderAuthentication.
 */
export type ClientReputation = (address: string) => "good" | "bad" | "unknown";

export interface EvidenceFacts {
  readonly findings: SenderFindings;
  readonly clientAddress: string;
  /** Of the reverse-path; "" for the null one. */
  readonly localPart: string;
  readonly header: HeaderSection;
}

export interface ForwardingSign {
  readonly kind: "mailing-list" | "forwarder";
  /** For people: `a List-Id field`. */
  readonly text: string;
}

/** Fields that mailing lists and forwarders add, and what each suggests. */
const tellingFields: ReadonlyMap<string, ForwardingSign> = new Map(
  (
    [
      ["list-id", "mailing-list", "a List-Id field"],
      ["list-unsubscribe", "mailing-list", "a List-Unsubscribe field"],
      ["list-post", "mailing-list", "a List-Post field"],
      ["mailing-list", "mailing-list", "a Mailing-List field"],
      ["arc-seal", "forwarder", "an ARC set"],
      ["resent-from", "forwarder", "a Resent-From field"],
      ["resent-sender", "forwarder", "a Resent-Sender field"],
      ["resent-to", "forwarder", "a Resent-To field"],
      ["resent-date", "forwarder", "a Resent-Date field"],
      ["x-forwarded-to", "forwarder", "an X-Forwarded-To field"],
      ["x-forwarded-for", "forwarder", "an X-Forwarded-For field"],
    ] as const
  ).map(([name, kind, text]) => [name, { kind, text }]),
);

/** What suggests a mailing list or a forwarder; empty: nothing does. */
export function forwardingSigns(facts: EvidenceFacts): readonly ForwardingSign[] {
  const { findings, header, localPart } = facts;
  const signs = new Set<ForwardingSign>();
  for (const field of header.fields) {
    const sign = tellingFields.get(field.name);
    if (sign !== undefined) signs.add(sign);
    else if (field.name === "precedence" && /^(?:list|bulk)$/i.test(field.value)) signs.add(precedence);
  }
  const found = [...signs];
  const { dmarc, dkim, spf } = findings;
  const foreign = dkim.find(({ result, domain }) => result === "pass" && !isOfDomain(domain, dmarc));
  if (foreign !== undefined) found.push({ kind: "forwarder", text: `a good signature of ${foreign.domain}` });
  if (spf.result === "pass" && !isOfDomain(spf.domain, dmarc)) {
    found.push({ kind: "forwarder", text: `an SPF pass of ${spf.domain}` });
  }
  if (/^SRS[01][=+-]/i.test(localPart)) found.push({ kind: "forwarder", text: "a rewritten reverse-path (SRS)" });
  return found;
}

const precedence: ForwardingSign = { kind: "mailing-list", text: "a Precedence field" };

/** What speaks against the client, for people; empty: nothing does. A good reputation outweighs the rest. */
export function signsAgainst(facts: EvidenceFacts, reputation: ClientReputation | undefined): readonly string[] {
  const { findings, clientAddress } = facts;
  const { spf, iprev, dmarc } = findings;
  const known = reputation?.(clientAddress) ?? "unknown";
  if (known === "good") return [];
  const signs = known === "bad" ? [`${clientAddress} has a bad reputation`] : [];
  if (spf.result === "fail" && isOfDomain(spf.domain, dmarc)) {
    signs.push(`${spf.domain} does not allow ${clientAddress} to send (SPF)`);
  }
  // No name at all or one that does not lead back: hosts that are meant to send mail have one (RFC 8601 §2.7.3).
  if (iprev.result === "fail" || iprev.result === "permerror") signs.push(`${clientAddress} has no valid reverse DNS`);
  return signs;
}
