/**
 * Forgeries of our own domains are not forwarded. What we forward leaves from a reverse-path of ours, for which SPF passes;
 * where DMARC counts that as the author's own (RFC 9989 §4.4), the next server would take for proved what failed here.
 *
 * Who the author is must be certain for that: where readers of From could differ, each domain that one of them could see
 * counts, and where even those cannot be told, the mail does not go on.
 *
 * Which organisation a domain belongs to was not looked up where nothing that passed was to be compared with it, so it is
 * asked for here, as the next server will.
 */
import { dnsNameKeyOf } from "../address/domain.ts";
import { Alignment } from "../dmarc/alignment.ts";
import type { ClaimedDomains } from "../dmarc/author-domain.ts";
import type { DmarcAlignment } from "../dmarc/dmarc-outcome.ts";
import { DmarcRecords } from "../dmarc/tree-walk.ts";
import { reply } from "../smtp/reply.ts";
import { isWithin } from "./authentication/alignment.ts";
import { LimitedResolver } from "./authentication/limited-resolver.ts";
import { patienceMs, type SenderAuthenticationPorts } from "./authentication/sender-authentication.ts";
import type { SenderVerdict } from "./authentication/sender-verdict.ts";
import type { Decision, Refusal } from "./decision.ts";

const forged: Refusal = {
  verdict: "reject",
  reply: reply(
    550,
    "5.7.1",
    "This server hosts the author's domain and does not forward mail that fails its DMARC policy",
  ),
  reason: "forwarded-author-forged",
  setting: "forwarding.domain",
};

const unknown: Refusal = {
  verdict: "defer",
  reply: reply(
    451,
    "4.7.1",
    "Temporary DNS failure: cannot check whether this message may be forwarded; try again later",
  ),
  reason: "forwarded-author-unknown",
  setting: "forwarding.domain",
};

const unchecked: Refusal = {
  verdict: "reject",
  reply: reply(550, "5.7.1", "Mail from a local domain is forwarded only if its sender has been verified"),
  reason: "forwarded-author-unchecked",
  setting: "authentication.check",
};

export interface ForwardedMail {
  /** Every domain that some reader of From could take for the author's. */
  readonly claims: ClaimedDomains;
  /** With which it would leave. */
  readonly reversePath: string;
  readonly hostname: string;
}

/**
 * For mail whose sender was checked. What a list or a trusted forwarder broke, as far as we know, is delivered, and so it
 * is forwarded; mail that would go to Junk is compared with our reverse-path, and so is mail whose author cannot be told
 * for certain. Mail whose author DNS trouble hides, delivered all the same where the settings say so, is put off: the
 * trouble may be of a forger's making. Ends after {@link patienceMs} at the latest.
 */
export async function checkForwardedAuthor(
  verdict: Pick<SenderVerdict, "dmarc" | "disposition" | "setting">,
  mail: ForwardedMail,
  { resolver, clock }: Pick<SenderAuthenticationPorts, "resolver" | "clock">,
): Promise<Decision> {
  const doubt = doubtAbout(verdict, mail.claims);
  if (doubt.kind === "none") return { verdict: "accept", reason: doubt.reason };
  const identity = spfIdentityOf(mail);
  // SPF says nothing of an address literal.
  if (identity === undefined) return { verdict: "accept", reason: "no-spf-identity" };
  if (doubt.kind === "undecided") return unreadable(doubt.reason);
  const limited = new LimitedResolver(resolver);
  limited.giveUpAfter(patienceMs, clock);
  try {
    const records = new DmarcRecords(limited);
    for (const domain of doubt.domains) {
      const answer = await new Alignment(records, domain, doubt.organizationalDomain).of(identity, doubt.mode);
      if (answer === "aligned") return doubt.ifAligned;
      if (answer === "unknown") return unknown;
    }
    return { verdict: "accept", reason: "author-not-ours" };
  } finally {
    limited.done();
  }
}

/** For mail of strangers whom the settings leave unchecked: without DNS, names that contain each other are of one house. */
export function checkUncheckedAuthor(mail: ForwardedMail & { readonly forwardingDomain: string }): Decision {
  const { claims } = mail;
  const identity = spfIdentityOf(mail);
  if (identity === undefined) return { verdict: "accept", reason: "no-spf-identity" };
  if (claims.kind === "undecided") return unreadable(claims.reason);
  const own = [identity, mail.forwardingDomain];
  const isOurs = (domain: string) => own.some((name) => isWithin(domain, name) || isWithin(name, domain));
  return claims.domains.some(isOurs) ? unchecked : { verdict: "accept", reason: "author-not-ours" };
}

type Doubt =
  | { readonly kind: "none"; readonly reason: string }
  | { readonly kind: "undecided"; readonly reason: string }
  | {
      readonly kind: "domains";
      readonly domains: readonly string[];
      readonly organizationalDomain: string | undefined;
      readonly mode: DmarcAlignment;
      readonly ifAligned: Refusal;
    };

function doubtAbout(
  { dmarc, disposition, setting }: Pick<SenderVerdict, "dmarc" | "disposition" | "setting">,
  claims: ClaimedDomains,
): Doubt {
  const { result, policy, authorDomain, organizationalDomain, record } = dmarc;
  if (setting === "authentication.trusted_forwarders") return { kind: "none", reason: "trusted-forwarder" };
  if (authorDomain === undefined) {
    if (claims.kind === "undecided") return claims;
    const { domains } = claims;
    return { kind: "domains", domains, organizationalDomain: undefined, mode: "relaxed", ifAligned: forged };
  }
  const failed = result === "fail" && policy !== "none" && disposition === "junk";
  const hidden = result === "temperror" && setting === "dmarc.temporary_failure";
  if (!failed && !hidden) return { kind: "none", reason: "author-believed" };
  const ifAligned = failed ? forged : unknown;
  const mode = record?.aspf ?? "relaxed";
  return { kind: "domains", domains: [authorDomain], organizationalDomain, mode, ifAligned };
}

/** With the null reverse-path SPF looks at the name in EHLO (RFC 7208 §2.4). */
function spfIdentityOf({ reversePath, hostname }: ForwardedMail): string | undefined {
  return dnsNameKeyOf(reversePath === "" ? hostname : reversePath.slice(reversePath.lastIndexOf("@") + 1));
}

function unreadable(reason: string): Refusal {
  return {
    verdict: "reject",
    reply: reply(550, "5.7.1", `The author of this message is unclear, so it is not forwarded: ${reason}`),
    reason: "forwarded-author-unreadable",
    setting: "forwarding.domain",
  };
}
