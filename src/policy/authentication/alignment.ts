/** Whether a domain belongs to the author of a message, as far as DMARC has found out. */
import type { DmarcOutcome } from "../../dmarc/dmarc-outcome.ts";
import { asciiLowerCase } from "../../lib/ascii-case.ts";

/** `domain` in A-labels: the author's own, or one of the same organization (RFC 9989 §4.4, relaxed). */
export function isOfDomain(
  domain: string,
  { authorDomain, organizationalDomain = authorDomain }: Pick<DmarcOutcome, "authorDomain" | "organizationalDomain">,
): boolean {
  const name = asciiLowerCase(domain);
  return name === authorDomain || (organizationalDomain !== undefined && isWithin(name, organizationalDomain));
}

/** Whether `name` is `domain` or below it. */
export function isWithin(name: string, domain: string): boolean {
  return name === domain || name.endsWith(`.${domain}`);
}
