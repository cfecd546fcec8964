/** What a report means, in sentences: who failed, how many, and what the reader could do about it. Pure. */
import type { AggregateReport, AggregateRow } from "../../dmarc/report/aggregate-report.ts";
import type { TlsFailure, TlsReport } from "../../tls-rpt/tls-report.ts";

/** Nobody reads more; the table has the rest. */
const sentencesMax = 10;

interface Source {
  readonly address: string;
  total: number;
  bothFailed: number;
  spfOnly: number;
  /** Names in DKIM and SPF results that passed, though for another domain. */
  readonly passedAs: Set<string>;
}

export function adviceOnDmarc(report: AggregateReport): readonly string[] {
  const sources = sourcesOf(report.rows);
  const total = sources.reduce((sum, source) => sum + source.total, 0);
  const sentences: string[] = [];
  for (const source of sources.toSorted((a, b) => b.bothFailed - a.bothFailed)) {
    if (source.bothFailed > 0) sentences.push(failedSentence(source, report));
  }
  for (const { address, spfOnly, total: sent } of sources) {
    // Mail that is forwarded loses SPF; only a signature of one's own survives that.
    if (spfOnly > 0 && spfOnly === sent) {
      sentences.push(
        `${address} sent ${messages(spfOnly)} that passed by SPF alone; sign them with DKIM, so that they pass when they are forwarded.`,
      );
    }
  }
  if (total === 0) return ["The report counts no messages."];
  if (sentences.length === 0)
    return [`${total === 1 ? "The message" : `All ${messages(total)}`} passed. Nothing needs to be done.`];
  const more = sentences.length - sentencesMax;
  return more > 0 ? [...sentences.slice(0, sentencesMax), `${more} more sources are in the table.`] : sentences;
}

function failedSentence({ address, bothFailed, passedAs }: Source, { policy }: AggregateReport): string {
  const what = `${address} sent ${messages(bothFailed)} that failed both SPF and DKIM`;
  const [name] = passedAs;
  if (name !== undefined) {
    return `${what} for ${policy.domain}, though they passed for ${name}; if that service sends for you, let it sign with a key of ${policy.domain}; if not, someone else uses your name.`;
  }
  const harm = policy.p === "none" ? " Your policy p=none let them through." : "";
  return `${what}; is it yours? If it is, add it to your SPF record and sign its mail; if not, your policy is there for it.${harm}`;
}

function sourcesOf(rows: readonly AggregateRow[]): readonly Source[] {
  const sources = new Map<string, Source>();
  for (const row of rows) {
    const { sourceAddress: address, count, spfAligned, dkimAligned } = row;
    let source = sources.get(address);
    if (source === undefined) {
      source = { address, total: 0, bothFailed: 0, spfOnly: 0, passedAs: new Set() };
      sources.set(address, source);
    }
    source.total += count;
    if (!spfAligned && !dkimAligned) {
      source.bothFailed += count;
      for (const { domain, result } of [...row.dkim, ...row.spf]) {
        if (result === "pass" && domain !== "") source.passedAs.add(domain);
      }
    } else if (!dkimAligned) source.spfOnly += count;
  }
  return [...sources.values()];
}

export function adviceOnTls(report: TlsReport): readonly string[] {
  const sentences: string[] = [];
  let sessions = 0;
  for (const { policyDomain, successfulSessions, failedSessions, failures } of report.policies) {
    sessions += successfulSessions + failedSessions;
    for (const failure of failures.toSorted((a, b) => b.sessions - a.sessions)) sentences.push(tlsSentence(failure));
    if (failures.length === 0 && failedSessions > 0) {
      sentences.push(
        `${failedSessions} sessions for ${policyDomain || "the domain"} failed; the report does not say why.`,
      );
    }
  }
  if (sentences.length === 0)
    return [
      sessions === 1
        ? "The session was encrypted as it should be."
        : `All ${sessions} sessions were encrypted as they should be.`,
    ];
  const more = sentences.length - sentencesMax;
  return more > 0 ? [...sentences.slice(0, sentencesMax), `${more} more failures are in the table.`] : sentences;
}

function tlsSentence({ resultType, sessions, receivingHost, receivingAddress }: TlsFailure): string {
  const where = receivingHost ?? receivingAddress ?? "a host that is not named";
  const advice = tlsAdvice.get(resultType) ?? `the reporter calls it "${resultType}"`;
  return `${sessions} ${sessions === 1 ? "session" : "sessions"} with ${where} failed: ${advice}.`;
}

/** RFC 8460 §4.3. */
const tlsAdvice: ReadonlyMap<string, string> = new Map([
  ["starttls-not-supported", "it did not offer STARTTLS; something between may remove it, or TLS is off there"],
  ["certificate-host-mismatch", "its certificate has another name; issue one with the name in the MX record"],
  ["certificate-expired", "its certificate has expired; renew it"],
  [
    "certificate-not-trusted",
    "its certificate was issued by an unknown authority; the chain may lack an intermediate certificate",
  ],
  ["validation-failure", "its certificate could not be checked for another reason"],
  [
    "tlsa-invalid",
    "its certificate is not the one in the TLSA record; publish the new one before the certificate changes",
  ],
  ["dnssec-invalid", "its DNSSEC signatures could not be checked; ask whoever runs the zone"],
  ["dane-required", "the sender insists on DANE and found no usable TLSA record"],
  ["sts-policy-fetch-error", "the MTA-STS policy could not be fetched; check the web server of mta-sts.your-domain"],
  ["sts-policy-invalid", "the MTA-STS policy cannot be read; look for spelling mistakes in it"],
  ["sts-webpki-invalid", "the web server with the MTA-STS policy has no valid certificate"],
]);

function messages(count: number): string {
  return `${count} ${count === 1 ? "message" : "messages"}`;
}
