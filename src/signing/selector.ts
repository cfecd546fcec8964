/** Selectors: the names of a domain's keys (RFC 6376 §3.1). */
import type { Instant } from "../lib/instant.ts";

/** A name in DNS has 253 octets; a selector beyond this leaves no room for the domain. */
const lengthMax = 100;
const pattern = /^[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?)*$/i;

export function isSelector(text: string): boolean {
  return text.length <= lengthMax && pattern.test(text);
}

/**
 * A name that tells when the key was made, `p20260131-rsa`; `-2` and so on behind it while `isTaken`. A selector is
 * never used again for another key, since what was signed with the former would turn bad.
 */
export function newSelector(at: Instant, algorithm: string, isTaken: (selector: string) => boolean): string {
  const day = new Date(at).toISOString().slice(0, 10).replaceAll("-", "");
  const base = `p${day}-${algorithm}`;
  let selector = base;
  for (let number = 2; isTaken(selector); number++) selector = `${base}-${number}`;
  return selector;
}
