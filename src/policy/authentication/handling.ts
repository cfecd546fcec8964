/**
 * What is done with a message for what was found about its sender: an ordered list of named rules, of which the first that
 * has something to say decides. docs/sender-authentication.md shows the same as a table.
 *
 * A failing message is marked and goes to Junk; it is refused only where the settings say so, and never for DNS trouble.
 */
import type { AuthorDomain } from "../../dmarc/author-domain.ts";
import type { DmarcPolicy } from "../../dmarc/dmarc-outcome.ts";
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import type { Refusal } from "../decision.ts";
import { isWithin } from "./alignment.ts";
import { type ClientReputation, type EvidenceFacts, forwardingSigns, signsAgainst } from "./evidence.ts";
import { deferralOfDmarc, failureWords, refusalOfAuthor, refusalOfDmarc, refusalOfSpf } from "./refusals.ts";
import type { HandlingRule, SenderHandling } from "./sender-verdict.ts";
import type { DmarcSettings, SenderAuthenticationSettings } from "./settings.ts";
import { findTrustedSeal } from "./trusted-seal.ts";

export interface HandlingFacts extends EvidenceFacts {
  readonly author: AuthorDomain;
}

/** The facts, and what the settings make of them. */
interface Question extends HandlingFacts, SenderAuthenticationSettings {
  readonly reputation: ClientReputation | undefined;
  /** What the author's domain asks for, or an override does; undefined: its record could not be read. */
  readonly policy: DmarcPolicy | undefined;
  /** The override that decides on the policy. */
  readonly local: LocalPolicy | undefined;
}

interface LocalPolicy {
  readonly policy: DmarcPolicy;
  readonly setting: string;
}

/** Without the name of the rule. */
type Answer = Omit<SenderHandling, "rule">;
type Told = Pick<Answer, "why" | "setting" | "override">;

type Rules = readonly (readonly [HandlingRule, (question: Question) => Answer | undefined])[];

const rules: Rules = [
  ["spf-alone", spfAlone],
  ["dmarc-settled", dmarcSettled],
  ["policy-none", policyNone],
  ["trusted-forwarder", trustedForwarder],
  ["unreadable-author", unreadableAuthor],
  ["hidden-without-policy", hiddenWithoutPolicy],
  ["hidden-author-passes", hiddenAuthorPasses],
  ["hidden-by-dns-trouble", hiddenByDnsTrouble],
  ["trusted-seal", trustedSeal],
  ["client-hidden", clientHidden],
  ["quarantine", quarantine],
  ["override-rejects", overrideRejects],
  ["reject-always", rejectAlways],
  ["reject-never", rejectNever],
  ["signs-of-forwarding", signsOfForwarding],
  ["evidence-against-client", evidenceAgainstClient],
];

export function decideHandling(
  facts: HandlingFacts,
  settings: SenderAuthenticationSettings,
  reputation?: ClientReputation,
): SenderHandling {
  const { dmarc } = facts.findings;
  const local = localPolicy(dmarc.authorDomain ?? "", settings.dmarc);
  const published = dmarc.result === "temperror" && dmarc.record === undefined ? undefined : dmarc.policy;
  const question = { ...facts, ...settings, reputation, local, policy: local?.policy ?? published };
  for (const [rule, ask] of rules) {
    const answer = ask(question);
    if (answer !== undefined) return { rule, ...answer };
  }
  return { rule: "no-evidence", ...noEvidence(question) };
}

function spfAlone(question: Question): Answer | undefined {
  const { authentication, findings, clientAddress } = question;
  if (authentication.spf_fail !== "reject" || isForwarder(question)) return undefined;
  const refusal = refusalOfSpf(findings, clientAddress);
  const { result, reason } = findings.spf;
  const override = { type: "local_policy", comment: `spf=${result}` } as const;
  return refusal && refused(refusal, { why: `SPF ${result}: ${reason}`, override });
}

function dmarcSettled({ author, findings: { dmarc } }: Question): Answer | undefined {
  if (author.kind !== "domain" || dmarc.result === "fail" || dmarc.result === "temperror") return undefined;
  return delivered({ why: dmarc.detail });
}

/** RFC 9989 §5.4: a published "none" changes nothing. */
function policyNone(question: Question): Answer | undefined {
  const { author, findings, local, policy } = question;
  if (author.kind !== "domain" || findings.dmarc.result !== "fail" || policy !== "none") return undefined;
  const words = local === undefined ? "asks for nothing" : "is not followed here";
  const why = `DMARC fails (${failureWords(findings)}); its policy ${words}`;
  return delivered({ why, ...overrideOf(question), ...settingOf(local) });
}

function trustedForwarder(question: Question): Answer | undefined {
  const { clientAddress } = question;
  if (!isForwarder(question)) return undefined;
  return delivered({
    why: `${clientAddress} is a trusted forwarder`,
    setting: "authentication.trusted_forwarders",
    override: { type: "trusted_forwarder", comment: `${clientAddress} is a known forwarder` },
  });
}

function unreadableAuthor({ author, dmarc }: Question): Answer | undefined {
  if (author.kind === "domain") return undefined;
  const told = { why: `DMARC does not apply: ${author.detail}`, setting: "dmarc.unreadable_author" };
  const { unreadable_author: action } = dmarc;
  switch (action) {
    case "deliver":
      return delivered(told);
    case "junk":
      return junk(told);
    case "reject":
      return refused(refusalOfAuthor(author.detail), told);
    default:
      return action satisfies never;
  }
}

function hiddenWithoutPolicy({ findings, policy, local }: Question): Answer | undefined {
  if (findings.dmarc.result !== "temperror" || policy !== "none") return undefined;
  return delivered({ why: `${hiddenWords(findings)}; the policy asks for nothing`, ...settingOf(local) });
}

/** The author's very own domain is aligned by any record, also by one that could not be read. */
function hiddenAuthorPasses({ findings }: Question): Answer | undefined {
  const { dmarc, spf, dkim } = findings;
  const { authorDomain = "" } = dmarc;
  if (dmarc.result !== "temperror") return undefined;
  const passes = (result: string, domain: string) => result === "pass" && asciiLowerCase(domain) === authorDomain;
  if (!passes(spf.result, spf.domain) && !dkim.some(({ result, domain }) => passes(result, domain))) return undefined;
  return delivered({ why: `${hiddenWords(findings)}; ${authorDomain} itself was authenticated` });
}

/** 451 only where an answer of DNS could change what is done; never a refusal (RFC 9989 §5.3.6). */
function hiddenByDnsTrouble({ findings, dmarc }: Question): Answer | undefined {
  if (findings.dmarc.result !== "temperror") return undefined;
  const told = { why: hiddenWords(findings), setting: "dmarc.temporary_failure" };
  return dmarc.temporary_failure === "deliver" ? delivered(told) : refused(deferralOfDmarc(findings), told);
}

function trustedSeal({ findings, authentication }: Question): Answer | undefined {
  const seal = findTrustedSeal(findings.arc, findings.dmarc, authentication.trusted_sealers);
  if (seal === undefined) return undefined;
  return delivered({
    why: `DMARC fails here, and ${seal.sealer}, whose ARC seal is trusted, found ${seal.found}`,
    setting: "authentication.trusted_sealers",
    override: { type: "trusted_forwarder", comment: `arc=pass, ${seal.sealer} found ${seal.found}` },
  });
}

/** What SPF would have said of the client may be all that the author's domain relies on, so nothing is refused. */
function clientHidden(question: Question): Answer | undefined {
  if (question.clientAddress !== "") return undefined;
  const comment = "the address of the client is hidden, so SPF could not be checked";
  return junk({ why: `${failWords(question)}, and ${comment}`, override: { type: "local_policy", comment } });
}

function quarantine(question: Question): Answer | undefined {
  if (question.policy !== "quarantine") return undefined;
  return junk({ why: failWords(question), ...overrideOf(question), ...settingOf(question.local) });
}

function overrideRejects(question: Question): Answer | undefined {
  const { findings, local } = question;
  if (local === undefined) return undefined;
  const refusal = refusalOfDmarc(findings, `policy ${local.policy} here`, local.setting);
  return refused(refusal, { why: failWords(question), ...overrideOf(question) });
}

const rejectSetting = "dmarc.reject";

function rejectAlways(question: Question): Answer | undefined {
  return question.dmarc.reject === "always" ? refusedByPolicy(question, failWords(question)) : undefined;
}

function rejectNever(question: Question): Answer | undefined {
  if (question.dmarc.reject !== "never") return undefined;
  return junk({
    why: `${failWords(question)}, which alone refuses nothing`,
    setting: rejectSetting,
    override: { type: "local_policy", comment: "a policy alone is no ground for refusal (RFC 9989 5.4)" },
  });
}

function signsOfForwarding(question: Question): Answer | undefined {
  const [honest] = forwardingSigns(question);
  if (honest === undefined) return undefined;
  const type = honest.kind === "mailing-list" ? "mailing_list" : "local_policy";
  const comment = `${honest.text} suggests a ${honest.kind.replace("-", " ")}`;
  return junk({ why: `${failWords(question)}, and ${comment}`, setting: rejectSetting, override: { type, comment } });
}

function evidenceAgainstClient(question: Question): Answer | undefined {
  const [against] = signsAgainst(question, question.reputation);
  return against === undefined ? undefined : refusedByPolicy(question, `${failWords(question)}, and ${against}`);
}

function noEvidence(question: Question): Answer {
  const comment = "nothing else speaks against the client";
  const override = { type: "local_policy", comment } as const;
  return junk({ why: `${failWords(question)}, and ${comment}`, setting: rejectSetting, override });
}

function refusedByPolicy({ findings, policy }: Question, why: string): Answer {
  return refused(refusalOfDmarc(findings, `policy ${policy}`, rejectSetting), { why });
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

function delivered(told: Told): Answer {
  return { disposition: "deliver", ...told };
}

function junk(told: Told): Answer {
  return { disposition: "junk", ...told };
}

function refused(decision: Refusal, told: Told): Answer {
  const { setting } = decision;
  return { disposition: "deliver", decision, ...told, ...(setting !== undefined && { setting }) };
}

function isForwarder({ authentication, clientAddress }: Question): boolean {
  return authentication.trusted_forwarders.contains(clientAddress);
}

function failWords({ findings, policy }: Question): string {
  const words = `the policy of ${findings.dmarc.authorDomain ?? "its author"} is ${policy}`;
  return `DMARC fails (${failureWords(findings)}); ${words}`;
}

function hiddenWords({ dmarc }: Question["findings"]): string {
  return `DMARC cannot be evaluated now: ${dmarc.detail}`;
}

/** Why something else is done than the domain asks for: an override, or t=y, which lowers the policy by one step (RFC 9989 §4.7). */
function overrideOf({ findings: { dmarc }, local, policy }: Question): Pick<Told, "override"> | undefined {
  if (local !== undefined && policy !== dmarc.policy) {
    return { override: { type: "local_policy", comment: local.setting } };
  }
  const { record, policyTag = "p" } = dmarc;
  if (record?.testing !== true || (record[policyTag] ?? record.p) === "none") return undefined;
  return { override: { type: "policy_test_mode", comment: "t=y" } };
}

function settingOf(local: LocalPolicy | undefined): Pick<Told, "setting"> | undefined {
  return local === undefined ? undefined : { setting: local.setting };
}
