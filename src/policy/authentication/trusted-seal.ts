/**
 * Whether a forwarder that we trust found a message good when it got it (RFC 8617 §5.2, §7.2). A chain that holds says
 * only that nobody changed what its sealers wrote; a stranger can build one, so names decide.
 */
import type { ArcOutcome } from "../../arc/arc-outcome.ts";
import type { DmarcOutcome } from "../../dmarc/dmarc-outcome.ts";
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import { type MethodResult, parseAuthenticationResults } from "../../message/authentication-results.ts";
import { isOfDomain } from "./alignment.ts";

export interface TrustedSeal {
  readonly sealer: string;
  /** What it found, for people: `dmarc=pass`. */
  readonly found: string;
}

/**
 * The newest sealer must be trusted: its word covers what it saw of the older sets. Then each older one, for as long as
 * all before it are trusted, since those checked its seal.
 */
export function findTrustedSeal(
  arc: ArcOutcome,
  dmarc: DmarcOutcome,
  trusted: readonly string[],
): TrustedSeal | undefined {
  if (arc.result !== "pass" || trusted.length === 0) return undefined;
  for (const [index, sealer] of arc.sealers.entries()) {
    if (!trusted.includes(asciiLowerCase(sealer))) return undefined;
    // RFC 8617 §4.1.1: what an Authentication-Results field would say.
    const results = parseAuthenticationResults(arc.sealersFound?.[index] ?? "")?.results;
    const found = results?.find((result) => speaksForAuthor(result, dmarc));
    if (found !== undefined) return { sealer, found: `${found.method}=${found.result}` };
  }
  return undefined;
}

/** A pass for the author's domain: of DMARC, or of what DMARC is made from. */
function speaksForAuthor({ method, result, properties }: MethodResult, dmarc: DmarcOutcome): boolean {
  if (result !== "pass") return false;
  const values = (type: string, ...names: readonly string[]) =>
    properties.filter((property) => property.type === type && names.includes(property.property));
  switch (method) {
    case "dmarc":
      return values("header", "from").some(({ value }) => asciiLowerCase(value) === dmarc.authorDomain);
    case "dkim":
      return values("header", "d").some(({ value }) => isOfDomain(value, dmarc));
    case "spf":
      return values("smtp", "mailfrom").some(({ value }) => isOfDomain(value.slice(value.lastIndexOf("@") + 1), dmarc));
    default:
      return false;
  }
}
