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
import { isWithin } from "./authentication/alignment.ts";
import { LimitedResolver } from "./authentication/limited-resolver.ts";
import { patienceMs, type SenderAuthenticationPorts } from "./authentication/sender-authentication.ts";
import type { SenderVerdict } from "./authentication/sender-verdict.ts";
import { type Refusal, refuse } from "./decision.ts";

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
 * for certain. Mail whose author DNS trouble hides, delivered nevertheless where the settings say so, is deferred: the
 * trouble may be of a forger's making. Ends after {@link patienceMs} at the latest.
 */
export async function checkForwardedAuthor(
  verdict: Pick<SenderVerdict, "dmarc" | "disposition" | "rule">,
  mail: ForwardedMail,
  { resolver, clock }: Pick<SenderAuthenticationPorts, "resolver" | "clock">,
): Promise<Refusal | undefined> {
  const doubt = doubtAbout(verdict, mail.claims);
  if (doubt.kind === "none") return undefined;
  const identity = spfIdentityOf(mail);
  // SPF says nothing of an address literal.
  if (identity === undefined) return undefined;
  if (doubt.kind === "undecided") return refuse("forwarded-author-unreadable", { fault: doubt.reason });
  const limited = new LimitedResolver(resolver);
  limited.giveUpAfter(patienceMs, clock);
  try {
    const records = new DmarcRecords(limited);
    for (const domain of doubt.domains) {
      const answer = await new Alignment(records, domain, doubt.organizationalDomain).of(identity, doubt.mode);
      if (answer === "aligned") return refuse(doubt.ifAligned, { domain });
      if (answer === "unknown") return refuse("forwarded-author-unknown", { domain });
    }
    return undefined;
  } finally {
    limited.done();
  }
}

/** For mail of strangers whom the settings leave unchecked: without DNS, names that contain each other are of one house. */
export function checkUncheckedAuthor(mail: ForwardedMail & { readonly forwardingDomain: string }): Refusal | undefined {
  const { claims } = mail;
  const identity = spfIdentityOf(mail);
  if (identity === undefined) return undefined;
  if (claims.kind === "undecided") return refuse("forwarded-author-unreadable", { fault: claims.reason });
  const own = [identity, mail.forwardingDomain];
  const isOurs = (domain: string) => own.some((name) => isWithin(domain, name) || isWithin(name, domain));
  const ours = claims.domains.find(isOurs);
  return ours === undefined ? undefined : refuse("forwarded-author-unchecked", { domain: ours });
}

type Doubt =
  | { readonly kind: "none" }
  | { readonly kind: "undecided"; readonly reason: string }
  | {
      readonly kind: "domains";
      readonly domains: readonly string[];
      readonly organizationalDomain: string | undefined;
      readonly mode: DmarcAlignment;
      readonly ifAligned: "forwarded-author-forged" | "forwarded-author-unknown";
    };

function doubtAbout(
  { dmarc, disposition, rule }: Pick<SenderVerdict, "dmarc" | "disposition" | "rule">,
  claims: ClaimedDomains,
): Doubt {
  const { result, policy, authorDomain, organizationalDomain, record } = dmarc;
  if (rule === "trusted-forwarder") return { kind: "none" };
  if (authorDomain === undefined) {
    if (claims.kind === "undecided") return claims;
    const { domains } = claims;
    return {
      kind: "domains",
      domains,
      organizationalDomain: undefined,
      mode: "relaxed",
      ifAligned: "forwarded-author-forged",
    };
  }
  const failed = result === "fail" && policy !== "none" && disposition === "junk";
  const hidden = rule === "hidden-by-dns-trouble";
  if (!failed && !hidden) return { kind: "none" };
  const ifAligned = failed ? "forwarded-author-forged" : "forwarded-author-unknown";
  const mode = record?.aspf ?? "relaxed";
  return { kind: "domains", domains: [authorDomain], organizationalDomain, mode, ifAligned };
}

/** With the null reverse-path SPF looks at the name in EHLO (RFC 7208 §2.4). */
function spfIdentityOf({ reversePath, hostname }: ForwardedMail): string | undefined {
  return dnsNameKeyOf(reversePath === "" ? hostname : reversePath.slice(reversePath.lastIndexOf("@") + 1));
}
