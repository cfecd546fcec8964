/**
 * DNS and HTTPS as routing asks for them, each question once, with its answer in words and the time that it took. Routing
 * itself runs as it always does, so what is shown is what a message would meet.
 */
import type { Clock } from "../../ports/clock.ts";
import type { PolicyFetcher, PolicyResponse } from "../../ports/policy-fetcher.ts";
import type { DnsAnswer, MxRecord, QueryOptions, RecordType, Resolver, TlsaRecord } from "../../ports/resolver.ts";

export interface LookUpStep {
  readonly step: "mx" | "address" | "tlsa" | "mta-sts" | "dns" | "mta-sts-policy";
  readonly status: "ok" | "failed" | "note";
  readonly ms: number;
  readonly text: string;
}

type Tell = (step: LookUpStep) => void;
type StepClock = Pick<Clock, "monotonicMs">;

/** Of one command, so what it remembers is bounded by the questions of one look-up. */
export function recordingResolver(resolver: Resolver, clock: StepClock, tell: Tell): Resolver {
  const answers = new Map<string, Promise<DnsAnswer<RecordType>>>();
  const ask = async <T extends RecordType>(name: string, type: T, options?: QueryOptions): Promise<DnsAnswer<T>> => {
    const since = clock.monotonicMs();
    const answer = await resolver.query(name, type, options);
    const status = answer.kind === "failure" ? "failed" : answer.kind === "records" ? "ok" : "note";
    const text = `${type} ${name}: ${answerText(type, answer)}`;
    tell({ step: stepOf(name, type), status, ms: clock.monotonicMs() - since, text });
    return answer;
  };
  return {
    query: <T extends RecordType>(name: string, type: T, options?: QueryOptions) => {
      const key = `${type} ${name}`;
      const known = answers.get(key) ?? ask(name, type, options);
      answers.set(key, known);
      return known as Promise<DnsAnswer<T>>;
    },
  };
}

export function recordingFetcher(fetcher: PolicyFetcher, clock: StepClock, tell: Tell): PolicyFetcher {
  return {
    fetch: async (host, path, options) => {
      const since = clock.monotonicMs();
      const response = await fetcher.fetch(host, path, options);
      const ok = response.kind === "response" && response.status === 200;
      const text = `https://${host}${path}: ${responseText(response)}`;
      tell({ step: "mta-sts-policy", status: ok ? "ok" : "failed", ms: clock.monotonicMs() - since, text });
      return response;
    },
  };
}

function stepOf(name: string, type: RecordType): LookUpStep["step"] {
  switch (type) {
    case "MX":
      return "mx";
    case "A":
    case "AAAA":
      return "address";
    case "TLSA":
      return "tlsa";
    case "TXT":
      return name.startsWith("_mta-sts.") ? "mta-sts" : "dns";
    case "PTR":
    case "CNAME":
      return "dns";
    default:
      return type satisfies never;
  }
}

function answerText<T extends RecordType>(type: T, answer: DnsAnswer<T>): string {
  if (answer.kind === "failure") return `no answer (${answer.reason})`;
  const signed = answer.secure ? ", validated by DNSSEC" : "";
  if (answer.kind === "no-name") return `the name does not exist${signed}`;
  if (answer.kind === "no-data") return `no such records${signed}`;
  return `${answer.records.map((record) => recordText(type, record)).join(", ")}${signed}`;
}

function recordText(type: RecordType, record: string | MxRecord | TlsaRecord): string {
  if (typeof record === "string") return type === "TXT" ? `"${record}"` : record;
  if ("exchange" in record) return `${record.preference} ${record.exchange === "" ? "." : record.exchange}`;
  const { usage, selector, matching, data } = record;
  return `${usage} ${selector} ${matching} ${Buffer.from(data.subarray(0, 8)).toString("hex")}${data.length > 8 ? "…" : ""}`;
}

function responseText(response: PolicyResponse): string {
  if (response.kind === "failure") return response.detail;
  const { status, contentType, body } = response;
  return `status ${status}, ${contentType ?? "no type"}, ${body.length} octets`;
}
