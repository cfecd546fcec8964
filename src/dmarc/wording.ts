/** Sentences on a DMARC result: short enough for a log line, plain enough for the person whose mail was refused. */
import type { Identifier } from "./alignment.ts";
import type { DmarcOutcome } from "./dmarc-outcome.ts";

/** A name may have 253 octets; a sentence with more than three of them is not read. */
const namesShown = 3;

export function describePass(authorDomain: string, identifiers: readonly Identifier[]): string {
  const ways = identifiers
    .filter(({ result, alignment }) => result === "pass" && alignment === "aligned")
    .map(({ mechanism, domain }) => `${mechanism === "spf" ? "SPF" : "DKIM"} for ${domain}`);
  return `${authorDomain} passes by ${listed(ways)}`;
}

export function describeFailure(
  outcome: Pick<DmarcOutcome, "policyDomain" | "policy" | "policyTag"> & { readonly authorDomain: string },
  identifiers: readonly Identifier[],
): string {
  const { authorDomain, policyDomain, policy, policyTag } = outcome;
  const spf = identifiers.filter(({ mechanism }) => mechanism === "spf");
  const dkim = identifiers.filter(({ mechanism }) => mechanism === "dkim");
  return (
    `Neither SPF nor DKIM vouches for ${authorDomain}: ${describeSpf(spf)}, and ${describeDkim(dkim)}; ` +
    `the policy at _dmarc.${policyDomain} is ${policy} (${policyTag})`
  );
}

function describeSpf([identifier]: readonly Identifier[]): string {
  if (identifier === undefined) return "SPF has no domain to check";
  const { domain, result } = identifier;
  return result === "pass" ? `SPF passed for ${domain}, which is not aligned` : `SPF for ${domain} is ${result}`;
}

function describeDkim(identifiers: readonly Identifier[]): string {
  if (identifiers.length === 0) return "there is no DKIM signature";
  const passed = identifiers.filter(({ result }) => result === "pass").map(({ domain }) => domain);
  if (passed.length > 0) {
    return `DKIM passed for ${listed(passed)}, which ${passed.length > 1 ? "are" : "is"} not aligned`;
  }
  return `no DKIM signature passed (${listed(identifiers.map(({ domain, result }) => `${domain}: ${result}`))})`;
}

function listed(names: readonly string[]): string {
  const more = names.length - namesShown;
  return names.slice(0, namesShown).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
