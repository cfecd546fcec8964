/**
 * Forgeries of our own domains are not forwarded. What we forward leaves from a reverse-path of ours, for which SPF passes;
 * where DMARC counts that as the author's own (RFC 9989 §4.4), the next server would take for proved what failed here.
 *
 * Which organisation a domain belongs to was not looked up where nothing that passed was to be compared with it, so it is
 * asked for here, as the next server will.
 */
import { dnsNameKeyOf } from "../address/domain.ts";
import { Alignment } from "../dmarc/alignment.ts";
import { DmarcRecords } from "../dmarc/tree-walk.ts";
import { reply } from "../smtp/reply.ts";
import type { ForwardedForm } from "../spool/spool.ts";
import { LimitedResolver } from "./authentication/limited-resolver.ts";
import { patienceMs, type SenderAuthenticationPorts } from "./authentication/sender-authentication.ts";
import type { SenderVerdict } from "./authentication/sender-verdict.ts";
import type { Refusal } from "./decision.ts";

const forged: Refusal = {
  verdict: "reject",
  reply: reply(
    550,
    "5.7.1",
    "Mail that fails the DMARC policy of its author's domain is not forwarded from that domain's own server",
  ),
  reason: "forwarded-author-forged",
  setting: "forwarding.domain",
};

const undecided: Refusal = {
  verdict: "defer",
  reply: reply(451, "4.7.1", "DNS trouble: whether this may be forwarded cannot be checked now, try again later"),
  reason: "forwarded-author-unknown",
  setting: "forwarding.domain",
};

/**
 * `undefined`: nothing against it. Only mail that would go to Junk here is meant: what a list or a trusted forwarder
 * broke, as far as we know, is delivered, and so it is forwarded. Mail whose author DNS trouble hides, delivered all the
 * same where the settings say so, is put off: the trouble may be of a forger's making. Ends after {@link patienceMs} at
 * the latest.
 */
export async function checkForwardedAuthor(
  { dmarc, disposition, setting }: Pick<SenderVerdict, "dmarc" | "disposition" | "setting">,
  { reversePath }: ForwardedForm,
  hostname: string,
  { resolver, clock }: Pick<SenderAuthenticationPorts, "resolver" | "clock">,
): Promise<Refusal | undefined> {
  const { result, policy, authorDomain, organizationalDomain, record } = dmarc;
  const failed = result === "fail" && policy !== "none" && disposition === "junk";
  const unknown = result === "temperror" && setting === "dmarc.temporary_failure";
  if ((!failed && !unknown) || authorDomain === undefined) return undefined;
  // With the null reverse-path SPF looks at the name in EHLO (RFC 7208 §2.4).
  const identity = dnsNameKeyOf(reversePath === "" ? hostname : reversePath.slice(reversePath.lastIndexOf("@") + 1));
  // SPF says nothing of an address literal.
  if (identity === undefined) return undefined;
  const limited = new LimitedResolver(resolver);
  limited.giveUpAfter(patienceMs, clock);
  try {
    const alignment = new Alignment(new DmarcRecords(limited), authorDomain, organizationalDomain);
    const answer = await alignment.of(identity, record?.aspf ?? "relaxed");
    switch (answer) {
      case "aligned":
        return failed ? forged : undecided;
      case "not-aligned":
        return undefined;
      case "unknown":
        return undecided;
      default:
        return answer satisfies never;
    }
  } finally {
    limited.done();
  }
}
