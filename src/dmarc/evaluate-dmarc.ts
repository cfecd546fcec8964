/**
 * DMARC for one message (RFC 9989 §5.3): does what SPF and DKIM vouch for belong to the author domain, and what does that
 * domain ask for when nothing does?
 *
 * Says, and does nothing: what becomes of the message is for policy. Look-ups are shared within the message and made
 * only where the answer can matter; a message whose identifiers all are the author domain costs one.
 */
import { dnsNameKeyOf } from "../address/domain.ts";
import type { DkimOutcome } from "../dkim/dkim-outcome.ts";
import type { Resolver } from "../ports/resolver.ts";
import type { SpfOutcome } from "../spf/spf-outcome.ts";
import { Alignment, type Identifier } from "./alignment.ts";
import type { AuthorDomain } from "./author-domain.ts";
import type { DmarcOutcome } from "./dmarc-outcome.ts";
import { findPolicy, type PolicyDiscovery } from "./policy-discovery.ts";
import { DmarcRecords } from "./tree-walk.ts";
import { describeFailure, describePass } from "./wording.ts";

export interface DmarcInput {
  readonly author: AuthorDomain;
  /**
   * For the MAIL FROM identity. The outcome for HELO counts only where the reverse-path is null, since then it is that of
   * postmaster@HELO (RFC 9989 §4.4.2, RFC 7208 §2.4).
   */
  readonly spf: SpfOutcome | undefined;
  readonly nullReversePath: boolean;
  readonly dkim: readonly DkimOutcome[];
}

/** Each may cost a tree walk; DKIM judges fewer signatures than this. */
const identifiersMax = 16;

export interface DmarcOptions {
  readonly resolver: Resolver;
  /** The end of the caller's patience: look-ups that it ends have failed. */
  readonly signal?: AbortSignal;
}

export async function evaluateDmarc(
  { author, spf, nullReversePath, dkim }: DmarcInput,
  options: DmarcOptions,
): Promise<DmarcOutcome> {
  if (author.kind !== "domain") return withoutPolicy("none", author.detail);
  const authorDomain = author.domain;
  const resolver = endingWith(options);
  const records = new DmarcRecords(resolver);
  const discovery = await findPolicy(resolver, authorDomain, records);
  if (discovery.kind !== "policy") return { ...withoutPolicy(...whyNoPolicy(authorDomain, discovery)), authorDomain };

  const { record, policyDomain, policy, policyTag, uncertain } = discovery;
  const alignment = new Alignment(records, authorDomain, discovery.organizationalDomain);
  const judge = async (identifier: Identifier): Promise<Identifier> => {
    // What DNS kept from passing counts like a pass here: if it is aligned, nobody knows how the message stands.
    if (identifier.result !== "pass" && identifier.result !== "temperror") return identifier;
    const mode = identifier.mechanism === "spf" ? record.aspf : record.adkim;
    return { ...identifier, alignment: await alignment.of(identifier.domain, mode) };
  };
  const identifiers = await Promise.all(identifiersOf(spf, nullReversePath, dkim).map(judge));

  const aligned = (mechanism: Identifier["mechanism"]): boolean =>
    identifiers.some((each) => each.mechanism === mechanism && each.result === "pass" && each.alignment === "aligned");
  const spfAligned = aligned("spf");
  const dkimAligned = aligned("dkim");
  const { organizationalDomain } = alignment;
  const base = {
    authorDomain,
    policyDomain,
    ...(organizationalDomain !== undefined && { organizationalDomain }),
    record,
    policy,
    policyTag,
    spfAligned,
    dkimAligned,
  };
  if (spfAligned || dkimAligned) {
    return { ...base, result: "pass", detail: describePass(authorDomain, identifiers) };
  }
  const unknown = alignment.failure ?? unfinished(identifiers) ?? uncertain;
  if (unknown !== undefined) {
    return { ...base, result: "temperror", detail: `It cannot be said yet whether ${authorDomain} passes: ${unknown}` };
  }
  return { ...base, result: "fail", detail: describeFailure(base, identifiers) };
}

function endingWith({ resolver, signal }: DmarcOptions): Resolver {
  return signal === undefined ? resolver : { query: (name, type) => resolver.query(name, type, { signal }) };
}

function withoutPolicy(result: DmarcOutcome["result"], detail: string): DmarcOutcome {
  return { result, detail, policy: "none", spfAligned: false, dkimAligned: false };
}

function whyNoPolicy(
  authorDomain: string,
  discovery: Exclude<PolicyDiscovery, { readonly kind: "policy" }>,
): [DmarcOutcome["result"], string] {
  switch (discovery.kind) {
    case "none":
      return ["none", `${authorDomain} publishes no DMARC record`];
    case "unusable":
      return [
        "permerror",
        `The DMARC record at _dmarc.${discovery.policyDomain} cannot be used: ${discovery.problems.join("; ")}`,
      ];
    case "failure":
      return ["temperror", `The DMARC policy of ${authorDomain} is not known: ${discovery.reason}`];
    default:
      return discovery satisfies never;
  }
}

/** RFC 9989 §5.3.3. Equal results for one domain count once. */
function identifiersOf(
  spf: SpfOutcome | undefined,
  nullReversePath: boolean,
  dkim: readonly DkimOutcome[],
): readonly Identifier[] {
  const identifiers: Identifier[] = [];
  const add = (mechanism: Identifier["mechanism"], result: Identifier["result"], name: string): void => {
    const domain = dnsNameKeyOf(name);
    if (domain === undefined || identifiers.length >= identifiersMax) return;
    const isSame = (known: Identifier) =>
      known.mechanism === mechanism && known.result === result && known.domain === domain;
    if (!identifiers.some(isSame)) identifiers.push({ mechanism, domain, result });
  };
  if (spf !== undefined && (spf.identity === "mailfrom" || nullReversePath)) add("spf", spf.result, spf.domain);
  for (const { result, domain } of dkim) add("dkim", result, domain);
  return identifiers;
}

/** RFC 9989 §5.3.6: what DNS did not answer makes neither pass nor fail. */
function unfinished(identifiers: readonly Identifier[]): string | undefined {
  const open = identifiers.find(({ result, alignment }) => result === "temperror" && alignment === "aligned");
  return open === undefined
    ? undefined
    : `${open.mechanism === "spf" ? "SPF" : "DKIM"} could not be checked for ${open.domain}`;
}
