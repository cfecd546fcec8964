/**
 * What is done with a message for what was found about its sender: the settings and the overrides meet here, in the order
 * in which they count. docs/sender-authentication.md shows the same as a table.
 *
 * A failing message is marked and goes to Junk; it is refused only where the settings say so, and never for DNS trouble.
 */
import type { AuthorDomain } from "../../dmarc/author-domain.ts";
import type { DmarcPolicy } from "../../dmarc/dmarc-outcome.ts";
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import { isWithin } from "./alignment.ts";
import { type ClientReputation, type EvidenceFacts, forwardingSigns, signsAgainst } from "./evidence.ts";
import { deferralOfDmarc, failureWords, refusalOfAuthor, refusalOfDmarc, refusalOfSpf } from "./refusals.ts";
import type { PolicyOverride, SenderHandling } from "./sender-verdict.ts";
import type { DmarcSettings, SenderAuthenticationSettings } from "./settings.ts";
import { findTrustedSeal } from "./trusted-seal.ts";

export interface HandlingFacts extends EvidenceFacts {
  readonly author: AuthorDomain;
}

export function decideHandling(
  facts: HandlingFacts,
  settings: SenderAuthenticationSettings,
  reputation?: ClientReputation,
): SenderHandling {
  const { findings, clientAddress, author } = facts;
  const { authentication, dmarc } = settings;
  const forwarder = authentication.trusted_forwarders.contains(clientAddress);
  if (authentication.spf_fail === "reject" && !forwarder) {
    const decision = refusalOfSpf(findings, clientAddress);
    if (decision !== undefined) {
      const override: PolicyOverride = { type: "local_policy", comment: `spf=${findings.spf.result}` };
      return refused(decision, `SPF ${findings.spf.result}: ${findings.spf.reason}`, override);
    }
  }
  if (author.kind !== "domain") {
    return forwarder ? delivered(byForwarder(clientAddress)) : handleUnreadableAuthor(author.detail, dmarc);
  }
  switch (findings.dmarc.result) {
    case "pass":
    case "none":
    case "permerror":
      return delivered({ why: findings.dmarc.detail });
    case "temperror":
      return forwarder ? delivered(byForwarder(clientAddress)) : handleTemporaryFailure(facts, dmarc);
    case "fail":
      return handleFailure(facts, settings, forwarder, reputation);
    default:
      return findings.dmarc.result satisfies never;
  }
}

function handleFailure(
  facts: HandlingFacts,
  { authentication, dmarc }: SenderAuthenticationSettings,
  forwarder: boolean,
  reputation: ClientReputation | undefined,
): SenderHandling {
  const { findings, clientAddress, header } = facts;
  const asked = findings.dmarc.policy;
  const local = localPolicy(findings.dmarc.authorDomain ?? "", dmarc);
  const policy = local?.policy ?? asked;
  const failed = failureWords(findings);
  const override = local === undefined || policy === asked ? testMode(facts) : byLocalPolicy(local.setting);
  // RFC 9989 §5.4: a published "none" changes nothing.
  if (policy === "none") {
    const words = local === undefined ? "asks for nothing" : "is not followed here";
    return delivered({ why: `DMARC fails (${failed}); its policy ${words}`, ...override, ...settingOf(local) });
  }
  if (forwarder) return delivered(byForwarder(clientAddress));
  const seal = findTrustedSeal(findings.arc, findings.dmarc, header, authentication.trusted_sealers);
  if (seal !== undefined) {
    return delivered({
      why: `DMARC fails here, and ${seal.sealer}, whose ARC seal is trusted, found ${seal.found}`,
      setting: "authentication.trusted_sealers",
      override: { type: "trusted_forwarder", comment: `arc=pass, ${seal.sealer} found ${seal.found}` },
    });
  }
  const words = `the policy of ${findings.dmarc.authorDomain ?? "its author"} is ${policy}`;
  const why = `DMARC fails (${failed}); ${words}`;
  if (policy === "quarantine") return junk({ why, ...override, ...settingOf(local) });
  if (local !== undefined) {
    const { setting } = local;
    return refused(refusalOfDmarc(findings, `policy ${policy} here`, setting), why, override?.override);
  }
  const setting = "dmarc.reject";
  const refusal = () => refused(refusalOfDmarc(findings, `policy ${policy}`, setting), why);
  switch (dmarc.reject) {
    case "always":
      return refusal();
    case "never":
      return junk({
        why: `${why}, which alone refuses nothing`,
        setting,
        override: { type: "local_policy", comment: "a policy alone is no ground for refusal (RFC 9989 5.4)" },
      });
    case "with-evidence": {
      const [honest] = forwardingSigns(facts);
      if (honest !== undefined) {
        const type = honest.kind === "mailing-list" ? "mailing_list" : "local_policy";
        const comment = `${honest.text} suggests a ${honest.kind.replace("-", " ")}`;
        return junk({ why: `${why}, and ${comment}`, setting, override: { type, comment } });
      }
      const [against] = signsAgainst(facts, reputation);
      if (against !== undefined) return { ...refusal(), why: `${why}, and ${against}` };
      const comment = "nothing else speaks against the client";
      return junk({ why: `${why}, and ${comment}`, setting, override: { type: "local_policy", comment } });
    }
    default:
      return dmarc.reject satisfies never;
  }
}

/** 451 only where an answer of DNS could change what is done; never a refusal (RFC 9989 §5.3.6). */
function handleTemporaryFailure({ findings }: HandlingFacts, settings: DmarcSettings): SenderHandling {
  const { dmarc, spf, dkim } = findings;
  const { authorDomain = "" } = dmarc;
  const local = localPolicy(authorDomain, settings);
  const policy = local?.policy ?? (dmarc.record === undefined ? undefined : dmarc.policy);
  const why = `DMARC cannot be evaluated now: ${dmarc.detail}`;
  if (policy === "none") return delivered({ why: `${why}; the policy asks for nothing`, ...settingOf(local) });
  // The author's very own domain is aligned by any record, also by one that could not be read.
  const passes = (result: string, domain: string) => result === "pass" && asciiLowerCase(domain) === authorDomain;
  if (passes(spf.result, spf.domain) || dkim.some(({ result, domain }) => passes(result, domain))) {
    return delivered({ why: `${why}; ${authorDomain} itself was authenticated` });
  }
  const setting = "dmarc.temporary_failure";
  if (settings.temporary_failure === "deliver") return delivered({ why, setting });
  return refused(deferralOfDmarc(findings), why);
}

function handleUnreadableAuthor(detail: string, { unreadable_author: action }: DmarcSettings): SenderHandling {
  const setting = "dmarc.unreadable_author";
  const why = `DMARC does not apply: ${detail}`;
  switch (action) {
    case "deliver":
      return delivered({ why, setting });
    case "junk":
      return junk({ why, setting });
    case "reject":
      return refused(refusalOfAuthor(detail), why);
    default:
      return action satisfies never;
  }
}

interface LocalPolicy {
  readonly policy: DmarcPolicy;
  readonly setting: string;
}

/** Of the overrides that match the author's domain the one with the longest name; `undefined`: what is published counts. */
function localPolicy(authorDomain: string, { override }: DmarcSettings): LocalPolicy | undefined {
  if (override.length === 0) return undefined;
  let best: DmarcSettings["override"][number] | undefined;
  for (const candidate of override) {
    const { domain } = candidate;
    if (domain !== "*" && !isWithin(authorDomain, domain)) continue;
    if (best === undefined || best.domain === "*" || (domain !== "*" && domain.length > best.domain.length)) {
      best = candidate;
    }
  }
  if (best === undefined || best.policy === "published") return undefined;
  return { policy: best.policy, setting: `dmarc.override ${best.domain}` };
}

type Told = Pick<SenderHandling, "why" | "setting" | "override">;

function delivered(told: Told): SenderHandling {
  return { disposition: "deliver", ...told };
}

function junk(told: Told): SenderHandling {
  return { disposition: "junk", ...told };
}

function refused(
  decision: NonNullable<SenderHandling["decision"]>,
  why: string,
  override?: PolicyOverride,
): SenderHandling {
  const { setting } = decision;
  return {
    disposition: "deliver",
    decision,
    why,
    ...(setting === undefined ? undefined : { setting }),
    ...(override === undefined ? undefined : { override }),
  };
}

function byForwarder(clientAddress: string): Told {
  return {
    why: `${clientAddress} is a trusted forwarder`,
    setting: "authentication.trusted_forwarders",
    override: { type: "trusted_forwarder", comment: `${clientAddress} is a known forwarder` },
  };
}

function byLocalPolicy(setting: string): Pick<Told, "override"> {
  return { override: { type: "local_policy", comment: setting } };
}

/** t=y lowered the policy by one step (RFC 9989 §4.7). */
function testMode({ findings }: HandlingFacts): Pick<Told, "override"> | undefined {
  const { record, policyTag = "p" } = findings.dmarc;
  if (record?.testing !== true || (record[policyTag] ?? record.p) === "none") return undefined;
  return { override: { type: "policy_test_mode", comment: "t=y" } };
}

function settingOf(local: LocalPolicy | undefined): Pick<Told, "setting"> | undefined {
  return local === undefined ? undefined : { setting: local.setting };
}
