/** What is counted for one domain on one day: sessions by policy, and failures by what, where and why. Bounded in both. */
import { shorten } from "../../lib/shorten.ts";
import type { ReportedPolicy, TlsFailureFacts, TlsSessionFacts } from "../../tls-rpt/session-note.ts";
import type { TlsFailure, TlsPolicyReport } from "../../tls-rpt/tls-report.ts";

/** A domain has few; a host of its own for each record, or a policy that changes all day, need not be told whole. */
const policiesMax = 10;
/** Of each policy; what is beyond counts in the sum alone. */
const failuresMax = 30;
const stringsMax = 30;
const stringLengthMax = 300;

interface CountedPolicy {
  readonly policy: Omit<TlsPolicyReport, "successfulSessions" | "failedSessions" | "failures">;
  successful: number;
  failed: number;
  readonly failures: Map<string, { readonly facts: TlsFailureFacts; count: number }>;
}

export class CountedPolicies {
  readonly #domain: string;
  readonly #policies = new Map<string, CountedPolicy>();

  constructor(domain: string) {
    this.#domain = domain;
  }

  /** false: there is no room for one more policy. */
  count(policy: ReportedPolicy, { failure }: Pick<TlsSessionFacts, "failure">): boolean {
    const counted = this.#counted(policy);
    if (counted === undefined) return false;
    if (failure === undefined) {
      counted.successful++;
      return true;
    }
    counted.failed++;
    const facts =
      failure.reason === undefined ? failure : { ...failure, reason: shorten(failure.reason, stringLengthMax) };
    const key = JSON.stringify(facts);
    const known = counted.failures.get(key);
    if (known !== undefined) known.count++;
    else if (counted.failures.size < failuresMax) counted.failures.set(key, { facts, count: 1 });
    return true;
  }

  /** As it is stored and reported. */
  get policies(): readonly TlsPolicyReport[] {
    return [...this.#policies.values()].map(({ policy, successful, failed, failures }) => ({
      ...policy,
      successfulSessions: successful,
      failedSessions: failed,
      failures: [...failures.values()].map(({ facts, count }) => failureOf(facts, count)),
    }));
  }

  #counted({ type, domain = this.#domain, strings, mxHosts }: ReportedPolicy): CountedPolicy | undefined {
    const policy = {
      policyType: type,
      policyDomain: domain,
      policyStrings: cut(strings),
      mxHosts: cut(mxHosts),
    };
    const key = JSON.stringify(policy);
    const known = this.#policies.get(key);
    if (known !== undefined) return known;
    if (this.#policies.size >= policiesMax) return undefined;
    const counted: CountedPolicy = { policy, successful: 0, failed: 0, failures: new Map() };
    this.#policies.set(key, counted);
    return counted;
  }
}

/** The counts of several runs of the server as one. */
export function sumOf(runs: readonly (readonly TlsPolicyReport[])[]): readonly TlsPolicyReport[] {
  const sums = new Map<string, TlsPolicyReport>();
  for (const { successfulSessions, failedSessions, failures, ...policy } of runs.flat()) {
    const key = JSON.stringify(policy);
    const sum = sums.get(key);
    sums.set(key, {
      ...policy,
      successfulSessions: successfulSessions + (sum?.successfulSessions ?? 0),
      failedSessions: failedSessions + (sum?.failedSessions ?? 0),
      failures: [...(sum?.failures ?? []), ...failures],
    });
  }
  return [...sums.values()];
}

function failureOf({ type, reason, ...where }: TlsFailureFacts, sessions: number): TlsFailure {
  return { resultType: type, sessions, ...where, ...(reason !== undefined && { information: reason }) };
}

function cut(texts: readonly string[]): readonly string[] {
  return texts.slice(0, stringsMax).map((text) => shorten(text, stringLengthMax));
}
