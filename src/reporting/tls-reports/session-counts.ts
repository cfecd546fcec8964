/**
 * Counts TLS sessions with mail hosts for the daily reports (RFC 8460): in memory, written to the spool once a minute and at a
 * stop, for domains that ask for reports. A crash may lose the counts of its last minute; mail never waits for them.
 *
 * Bounded in domains; what is beyond is not counted, and the log says how many sessions that were.
 */
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Random } from "../../ports/random.ts";
import type { Resolver } from "../../ports/resolver.ts";
import type { Spool } from "../../spool/spool.ts";
import { logTrouble } from "../../spool/spool-trouble.ts";
import type {
  ReportedPolicy,
  StsInForce,
  TlsFailureFacts,
  TlsSessionFacts,
  TlsSessionRecorder,
} from "../../tls-rpt/session-note.ts";
import { dayOf } from "../dmarc-aggregate/report-rows.ts";
import { CountedPolicies } from "./counted-policies.ts";
import { findReportUris, putCounts } from "./stored-counts.ts";

export interface SessionCountsOptions {
  readonly spool: Pick<Spool, "changeRecords">;
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Whether reports are sent: else nothing is counted. */
  readonly enabled: () => boolean;
}

const flushEveryMs = 60_000;
/** A domain that asks for no reports takes some 200 octets. */
const domainsPerDayMax = 20_000;
/** Those that ask; each takes 30 KB at the worst, and 1 KB as a rule. */
const askingPerDayMax = 1_000;
/** MTA-STS policies that are remembered, the newest; each may have 256 names. */
const stsPoliciesMax = 1_000;
/** Look-ups at a time, and records in one transaction. */
const atOnce = 20;

interface CountedDomain {
  readonly name: string;
  /** "no": it asks for no reports, so nothing is counted. */
  asks: "unknown" | "yes" | "no";
  counts: CountedPolicies | undefined;
  dirty: boolean;
}

interface CountedDay {
  readonly name: string;
  readonly domains: Map<string, CountedDomain>;
}

export class SessionCounts implements TlsSessionRecorder {
  readonly #options: SessionCountsOptions;
  readonly #stsPolicies = new Map<string, StsInForce>();
  /** Made when it is needed first. */
  #run: string | undefined;
  #days: CountedDay[] = [];
  #dropped = 0;
  #timer: Timer | undefined;
  #flushing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: SessionCountsOptions) {
    this.#options = options;
  }

  stsPolicy(domain: string, policy: StsInForce | undefined): void {
    this.#stsPolicies.delete(domain);
    if (policy === undefined || policy.mode === "none" || !this.#options.enabled()) return;
    this.#stsPolicies.set(domain, policy);
    const [oldest] = this.#stsPolicies.keys();
    if (this.#stsPolicies.size > stsPoliciesMax && oldest !== undefined) this.#stsPolicies.delete(oldest);
  }

  session(domain: string, given: ReportedPolicy | "sts-or-none", session: TlsSessionFacts): void {
    const sts = given === "sts-or-none" ? this.#stsPolicies.get(domain) : undefined;
    const policy = given === "sts-or-none" ? policyOf(sts) : given;
    this.#count(domain, policy, sts === undefined ? session : { ...session, ...failureUnder(sts, session) });
  }

  policyFailure(domain: string, type: ReportedPolicy["type"], failure: TlsFailureFacts): void {
    const sts = type === "sts" ? this.#stsPolicies.get(domain) : undefined;
    const policy = sts === undefined ? { type, strings: [], mxHosts: [] } : policyOf(sts);
    this.#count(domain, policy, { failure });
  }

  /** Writes what has been counted since the last time; resolves when that is done or has failed. */
  flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#flushing = this.#flushing.then(() => this.#write());
    return this.#flushing;
  }

  /** The last flush; nothing is counted from now on. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.flush();
    this.#timer?.cancel();
  }

  #count(name: string, policy: ReportedPolicy, session: Pick<TlsSessionFacts, "failure">): void {
    const { clock, enabled } = this.#options;
    if (this.#closed || !enabled()) return;
    const domain = this.#domain(dayOf(clock.now()), name);
    if (domain?.asks === "no") return;
    if (domain === undefined || !(domain.counts ??= new CountedPolicies(name)).count(policy, session)) this.#dropped++;
    else domain.dirty = true;
    this.#timer ??= clock.setTimer(flushEveryMs, () => void this.flush());
  }

  #domain(day: string, name: string): CountedDomain | undefined {
    let counted = this.#days.find((known) => known.name === day);
    if (counted === undefined) this.#days.push((counted = { name: day, domains: new Map() }));
    const known = counted.domains.get(name);
    if (known !== undefined) return known;
    if (counted.domains.size >= domainsPerDayMax) return undefined;
    const domain: CountedDomain = { name, asks: "unknown", counts: undefined, dirty: false };
    counted.domains.set(name, domain);
    return domain;
  }

  async #write(): Promise<void> {
    const { log, clock } = this.#options;
    if (this.#dropped > 0) log.event("tls-counts-dropped", { sessions: this.#dropped });
    this.#dropped = 0;
    const today = dayOf(clock.now());
    try {
      for (const day of this.#days) await this.#writeDay(day);
      this.#days = this.#days.filter(({ name, domains }) => name >= today || [...domains.values()].some(isDirty));
    } catch (error) {
      logTrouble(log, "writing counts for TLS reports", error);
      if (!this.#closed) this.#timer ??= clock.setTimer(flushEveryMs, () => void this.flush());
    }
  }

  async #writeDay({ name: day, domains }: CountedDay): Promise<void> {
    const dirty = [...domains.values()].filter(isDirty);
    for (let at = 0; at < dirty.length; at += atOnce) {
      const batch = dirty.slice(at, at + atOnce);
      const unknown = batch.filter(({ asks }) => asks === "unknown");
      // A stop waits for no DNS: what is written of them is dropped when the report is due, if they ask for none.
      if (!this.#closed) await Promise.all(unknown.map((domain) => this.#ask(domain, domains)));
      const changes = batch.flatMap(({ name, asks, counts }) =>
        asks === "no" || counts === undefined ? [] : [putCounts(day, name, this.#runName(), counts.policies)],
      );
      for (const domain of batch) domain.dirty = false;
      try {
        if (changes.length > 0) await this.#options.spool.changeRecords(changes);
      } catch (error) {
        // Writing a record again does no harm: it holds all that was counted.
        for (const domain of batch) domain.dirty = domain.asks !== "no";
        throw error;
      }
    }
  }

  /** Where the DNS does not answer, the domain is asked again when more is counted, and before its report. */
  async #ask(domain: CountedDomain, domains: CountedDay["domains"]): Promise<void> {
    const found = await findReportUris(this.#options.resolver, domain.name);
    if (found.kind === "failure") return;
    let asking = 0;
    for (const { asks } of domains.values()) if (asks === "yes") asking++;
    domain.asks = found.kind === "uris" && asking < askingPerDayMax ? "yes" : "no";
    if (domain.asks === "no") domain.counts = undefined;
  }

  #runName(): string {
    return (this.#run ??= Buffer.from(this.#options.random.bytes(6)).toString("hex"));
  }
}

function isDirty({ dirty }: CountedDomain): boolean {
  return dirty;
}

function policyOf(sts: StsInForce | undefined): ReportedPolicy {
  if (sts === undefined) return { type: "no-policy-found", strings: [], mxHosts: [] };
  return { type: "sts", strings: sts.lines, mxHosts: sts.mx };
}

/** RFC 8460 §4.3.2.2: a policy in testing mode is reported as if it were enforced. */
function failureUnder(
  sts: StsInForce,
  { host, failure, failureIfTested }: TlsSessionFacts,
): Pick<TlsSessionFacts, "failure"> {
  if (failure !== undefined) return { failure };
  if (!sts.lists(host)) {
    return {
      failure: { type: "validation-failure", receivingHost: host, reason: "the policy does not list this host" },
    };
  }
  return failureIfTested === undefined ? {} : { failure: failureIfTested };
}
