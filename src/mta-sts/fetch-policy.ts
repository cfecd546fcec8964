/** Fetches a domain's policy from its host and judges the answer (RFC 8461 §3.3). */
import { asciiLowerCase } from "../lib/ascii-case.ts";
import { trimBlanks } from "../lib/trim-blanks.ts";
import type { PolicyFetcher, PolicyResponse } from "../ports/policy-fetcher.ts";
import { parseStsPolicy, policyBytesMax, type StsPolicy } from "./sts-policy.ts";

/** As TLS reports tell it apart (RFC 8460 §4.3.2.2). */
export type StsFault = "sts-policy-fetch-error" | "sts-policy-invalid" | "sts-webpki-invalid";

export interface StsTrouble {
  readonly kind: "trouble";
  readonly fault: StsFault;
  /** As the end of a sentence. */
  readonly reason: string;
}

export type FetchedPolicy = { readonly kind: "policy"; readonly policy: StsPolicy } | StsTrouble;

export function policyHostOf(domain: string): string {
  return `mta-sts.${domain}`;
}

export const policyPath = "/.well-known/mta-sts.txt";

/** Never rejects. */
export async function fetchPolicy(
  fetcher: PolicyFetcher,
  domain: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<FetchedPolicy> {
  return judge(await fetcher.fetch(policyHostOf(domain), policyPath, { bytesMax: policyBytesMax, ...options }));
}

function judge(response: PolicyResponse): FetchedPolicy {
  if (response.kind === "failure") {
    const fault = response.fault === "certificate" ? "sts-webpki-invalid" : "sts-policy-fetch-error";
    return trouble(fault, response.detail);
  }
  const { status, contentType = "", body } = response;
  // RFC 8461 §3.3: anything but 200 is no policy, and redirects are not followed.
  if (status >= 300 && status < 400) {
    return trouble("sts-policy-fetch-error", `it answers ${status}, and a redirect must not be followed`);
  }
  if (status !== 200) return trouble("sts-policy-fetch-error", `it answers ${status} in place of 200`);
  // RFC 8461 §3.2: or users of a web server that serve files there could speak for the domain.
  if (asciiLowerCase(trimBlanks(contentType.split(";", 1)[0] ?? "")) !== "text/plain") {
    const type = contentType === "" ? "no type" : `the type "${contentType.slice(0, 60)}"`;
    return trouble("sts-policy-fetch-error", `it sends ${type} in place of text/plain`);
  }
  const parsed = parseStsPolicy(body);
  return parsed.kind === "policy" ? parsed : trouble("sts-policy-invalid", parsed.reason);
}

function trouble(fault: StsFault, reason: string): StsTrouble {
  return { kind: "trouble", fault, reason };
}
