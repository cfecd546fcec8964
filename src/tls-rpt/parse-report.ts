/**
 * TLS reports as others send them (RFC 8460 §4.4): JSON from strangers, read member by member. What is missing or of the
 * wrong kind is left out and told; only what is no report at all is unreadable.
 */
import { parseIpAddress } from "../address/ip-address.ts";
import type { TlsFailure, TlsPolicyReport, TlsReport } from "./tls-report.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";

export type ParsedTlsReport =
  | { readonly kind: "report"; readonly report: TlsReport; readonly problems: readonly string[] }
  | { readonly kind: "unreadable"; readonly reason: string };

/** One policy for each of a domain's is usual; a report about many domains has some more. */
const policiesMax = 100;
/** Of all policies together: large senders list each of their hosts with each of ours. */
const failuresMax = 10_000;
const listMax = 50;
/** Texts for people are cut here. */
const textLengthMax = 1000;

/**
 * `bytes`: the JSON, unpacked and bounded in size by the caller; `headerDomain`: what the TLS-Report-Domain field of its
 * message says (RFC 8460 §5.3), which stands in for policies that name no domain.
 */
export function parseTlsReport(bytes: Uint8Array, options: { readonly headerDomain?: string } = {}): ParsedTlsReport {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8").decode(bytes));
  } catch {
    return { kind: "unreadable", reason: "the report is not JSON" };
  }
  const top = objectOf(value);
  const policies = top?.["policies"];
  if (top === undefined || !Array.isArray(policies)) {
    return { kind: "unreadable", reason: "the JSON is no TLS report: it has no list of policies" };
  }
  const problems: string[] = [];
  if (policies.length > policiesMax)
    problems.push(`only the first ${policiesMax} of ${policies.length} policies are read`);
  const range = objectOf(top["date-range"]);
  const [begin, end] = [timeOf(range?.["start-datetime"]), timeOf(range?.["end-datetime"])];
  if (begin === undefined || end === undefined) problems.push("the period of the report cannot be read");
  let left = failuresMax;
  const read = policies.slice(0, policiesMax).flatMap((policy): TlsPolicyReport[] => {
    const parsed = policyOf(policy, left);
    if (parsed === undefined) problems.push("one of the policies cannot be read");
    left -= parsed?.failures.length ?? 0;
    return parsed === undefined ? [] : [parsed];
  });
  const headerDomain = domainOf(options.headerDomain ?? "");
  if (read.some(({ policyDomain }) => policyDomain === "") && headerDomain !== "") {
    problems.push("a policy names no domain; the one in the header of the message was taken");
  }
  const report = {
    organization: textOf(top["organization-name"]) ?? "",
    contact: textOf(top["contact-info"]) ?? "",
    reportId: textOf(top["report-id"]) ?? "",
    begin: begin ?? 0,
    end: end ?? 0,
    policies: read.map((policy) => (policy.policyDomain === "" ? { ...policy, policyDomain: headerDomain } : policy)),
  };
  return { kind: "report", report, problems: [...new Set(problems)] };
}

type JsonObject = Readonly<Record<string, unknown>>;

function policyOf(value: unknown, failuresLeft: number): TlsPolicyReport | undefined {
  const entry = objectOf(value);
  const policy = objectOf(entry?.["policy"]);
  if (entry === undefined || policy === undefined) return undefined;
  const summary = objectOf(entry["summary"]);
  const details = entry["failure-details"];
  const failures = Array.isArray(details) ? details.slice(0, failuresLeft) : [];
  const type = textOf(policy["policy-type"]);
  return {
    policyType: type === "tlsa" || type === "sts" || type === "no-policy-found" ? type : "unknown",
    policyDomain: asciiLowerCase(textOf(policy["policy-domain"]) ?? ""),
    policyStrings: textsOf(policy["policy-string"]),
    mxHosts: textsOf(policy["mx-host"]),
    successfulSessions: countOf(summary?.["total-successful-session-count"]),
    failedSessions: countOf(summary?.["total-failure-session-count"]),
    failures: failures.flatMap((failure): TlsFailure[] => {
      const object = objectOf(failure);
      return object === undefined ? [] : [failureOf(object)];
    }),
  };
}

/** "" where it is no domain name. */
function domainOf(text: string): string {
  const name = asciiLowerCase(text.trim());
  return /^[a-z\d_-]{1,63}(?:\.[a-z\d_-]{1,63}){0,126}\.?$/.test(name) ? name.replace(/\.$/, "") : "";
}

function failureOf(entry: JsonObject): TlsFailure {
  const optional = <K extends keyof TlsFailure>(key: K, name: string) => {
    const text = textOf(entry[name]);
    return text === undefined || text === "" ? {} : { [key]: parseIpAddress(text)?.text ?? text };
  };
  return {
    resultType: textOf(entry["result-type"]) ?? "",
    sessions: countOf(entry["failed-session-count"]),
    ...optional("sendingAddress", "sending-mta-ip"),
    ...optional("receivingHost", "receiving-mx-hostname"),
    ...optional("receivingAddress", "receiving-ip"),
    ...optional("reasonCode", "failure-reason-code"),
    ...optional("information", "additional-information"),
  };
}

function objectOf(value: unknown): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value.slice(0, textLengthMax) : undefined;
}

/** Some reporters write a single text where a list is meant. */
function textsOf(value: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.slice(0, listMax).flatMap((entry) => textOf(entry) ?? []);
}

/** Some write numbers as text. */
function countOf(value: unknown): number {
  const number = typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isSafeInteger(number) && number >= 0 ? number : 0;
}

function timeOf(value: unknown): number | undefined {
  const text = textOf(value);
  if (text === undefined || !/^\d{4}-\d{2}-\d{2}T/.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}
