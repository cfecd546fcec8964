/**
 * Whether a forwarder that we trust found a message good when it got it (RFC 8617 §5.2, §7.2). A chain that holds says
 * only that nobody changed what its sealers wrote; a stranger can build one, so names decide.
 */
import type { ArcOutcome } from "../../arc/arc-outcome.ts";
import type { DmarcOutcome } from "../../dmarc/dmarc-outcome.ts";
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import { type MethodResult, parseAuthenticationResults } from "../../message/authentication-results.ts";
import type { HeaderSection } from "../../message/header-section.ts";
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
  header: HeaderSection,
  trusted: readonly string[],
): TrustedSeal | undefined {
  if (arc.result !== "pass" || trusted.length === 0) return undefined;
  let instance = arc.instance;
  for (const sealer of arc.sealers) {
    if (!trusted.includes(asciiLowerCase(sealer))) return undefined;
    const found = resultsOfInstance(header, instance)?.find((result) => speaksForAuthor(result, dmarc));
    if (found !== undefined) return { sealer, found: `${found.method}=${found.result}` };
    instance--;
  }
  return undefined;
}

/** RFC 8617 §4.1.1: the instance, then what an Authentication-Results field would say. */
function resultsOfInstance(header: HeaderSection, instance: number): readonly MethodResult[] | undefined {
  for (const field of header.fields) {
    if (field.name !== "arc-authentication-results") continue;
    const { value } = field;
    const match = /^i[ \t]*=[ \t]*(\d{1,3})[ \t]*;/.exec(value);
    if (match !== null && Number(match[1]) === instance) {
      return parseAuthenticationResults(value.slice(match[0].length))?.results;
    }
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
