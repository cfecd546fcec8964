/** What a domain's policy means for one of its mail hosts (RFC 8461 §4, §5). */
import { listsMx, type StsPolicy } from "./sts-policy.ts";

export type StsDecision =
  /** A certificate of a trusted authority for the host's name is needed. */
  | { readonly kind: "pki"; readonly names: readonly string[] }
  /** The host must not be used. */
  | { readonly kind: "excluded"; readonly reason: string }
  /** Nothing is enforced; `listed` tells what would be, for reports. */
  | { readonly kind: "testing"; readonly listed: boolean }
  | { readonly kind: "not-applicable" };

/** `host`: the name in the MX record, not what its CNAMEs lead to (RFC 8461 §4.1). */
export function decideSts(domain: string, policy: StsPolicy, host: string): StsDecision {
  const listed = listsMx(policy, host);
  switch (policy.mode) {
    case "none":
      return { kind: "not-applicable" };
    case "testing":
      return { kind: "testing", listed };
    case "enforce":
      return listed
        ? { kind: "pki", names: [host] }
        : { kind: "excluded", reason: `the MTA-STS policy of ${domain} does not list ${host}` };
    default:
      return policy.mode satisfies never;
  }
}
