/** Outcomes of SPF and DKIM as tests of DMARC need them: result and domain, the rest filled in. */
import type { DkimOutcome } from "../dkim/dkim-outcome.ts";
import type { SpfOutcome } from "../spf/spf-outcome.ts";

export function spfOutcome(
  result: SpfOutcome["result"],
  domain: string,
  identity: SpfOutcome["identity"] = "mailfrom",
): SpfOutcome {
  return { result, identity, domain, reason: "", lookups: 0, voidLookups: 0 };
}

export function dkimOutcome(result: DkimOutcome["result"], domain: string): DkimOutcome {
  return {
    result,
    reason: result === "pass" ? "good-signature" : "",
    detail: "",
    domain,
    selector: "s",
    algorithm: "rsa-sha256",
    signatureStart: "abcdefgh",
    testing: false,
  };
}
