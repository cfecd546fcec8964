/**
 * The policy that our own domains publish (RFC 8461 §3.2) and the record that announces it (§3.1). Its id is made of its text, so
 * it changes when the policy does and at no other time.
 */
import { createHash } from "node:crypto";
import { policyLines, type StsPolicy } from "./sts-policy.ts";

/** Of the 32 that an id may have. */
const idLength = 20;

export function policyDocument(policy: StsPolicy): string {
  return policyLines(policy)
    .map((line) => `${line}\r\n`)
    .join("");
}

export function policyId(policy: StsPolicy): string {
  return createHash("sha256").update(policyDocument(policy)).digest("hex").slice(0, idLength);
}

/** For the TXT record at `_mta-sts.DOMAIN`. */
export function policyRecord(policy: StsPolicy): string {
  return `v=STSv1; id=${policyId(policy)};`;
}
