/** All DNS checks of a domain. A few dozen queries, side by side; time is bounded by the resolver, query by query. */
import type { Instant } from "../../lib/instant.ts";
import { checkAddresses } from "./addresses.ts";
import { checkDane } from "./dane.ts";
import { checkDkim } from "./dkim.ts";
import { checkDmarc } from "./dmarc.ts";
import { worstOf, type CheckStatus, type DnsCheck, type DnsSubject } from "./dns-check.ts";
import { checkMtaSts } from "./mta-sts.ts";
import { checkMx } from "./mx.ts";
import { checkSpf } from "./spf.ts";
import { checkTlsRpt } from "./tls-rpt.ts";

export interface DnsReport {
  readonly domain: string;
  /** The worst colour of all. */
  readonly status: CheckStatus;
  /** Each subject once, in a fixed order. */
  readonly checks: readonly DnsCheck[];
}

export async function checkDns(subject: DnsSubject, now: Instant): Promise<DnsReport> {
  const mx = await checkMx(subject);
  const others = await Promise.all([
    checkAddresses(subject, mx.hosts),
    checkSpf({ ...subject, now, isNull: mx.isNull }),
    checkDkim(subject),
    checkDmarc(subject),
    checkMtaSts(subject, mx),
    checkTlsRpt(subject),
    checkDane(subject, mx),
  ]);
  const checks = [mx.result, ...others];
  return { domain: subject.domain, status: worstOf(checks), checks };
}
