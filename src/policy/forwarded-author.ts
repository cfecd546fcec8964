/**
 * Forgeries of our own domains are not forwarded. What we forward leaves from a reverse-path of ours, for which SPF passes;
 * where DMARC counts that as the author's own (RFC 9989 §4.4), the next server would take for proved what failed here.
 */
import type { DmarcOutcome } from "../dmarc/dmarc-outcome.ts";
import { reply } from "../smtp/reply.ts";
import type { ForwardedForm } from "../spool/spool.ts";
import { isOfDomain, isWithin } from "./authentication/alignment.ts";
import type { SenderVerdict } from "./authentication/sender-verdict.ts";
import type { Decision } from "./decision.ts";

const forged: Exclude<Decision, { readonly verdict: "accept" }> = {
  verdict: "reject",
  reply: reply(
    550,
    "5.7.1",
    "Mail that fails the DMARC policy of its author's domain is not forwarded from that domain's own server",
  ),
  reason: "forwarded-author-forged",
  setting: "forwarding.domain",
};

/**
 * `undefined`: nothing against it. Only mail that would go to Junk here is meant: what a list or a trusted forwarder
 * broke, as far as we know, is delivered, and so it is forwarded.
 */
export function checkForwardedAuthor(
  { dmarc, disposition }: Pick<SenderVerdict, "dmarc" | "disposition">,
  { reversePath }: ForwardedForm,
  hostname: string,
): typeof forged | undefined {
  if (dmarc.result !== "fail" || dmarc.policy === "none" || disposition !== "junk") return undefined;
  // With the null reverse-path SPF looks at the name in EHLO (RFC 7208 §2.4).
  const identity = reversePath === "" ? hostname : reversePath.slice(reversePath.lastIndexOf("@") + 1);
  return countsAsAuthor(identity.toLowerCase(), dmarc) ? forged : undefined;
}

function countsAsAuthor(identity: string, dmarc: DmarcOutcome): boolean {
  if (dmarc.record?.aspf === "strict") return identity === dmarc.authorDomain;
  return isOfDomain(identity, dmarc) || isWithin(dmarc.authorDomain ?? "", identity);
}
