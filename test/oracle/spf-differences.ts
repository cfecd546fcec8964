/** Differences of SPF that are known; see known-differences.ts. */
import type { SpfOutcome } from "../../src/spf/spf-outcome.ts";
import type { ZoneData } from "../../src/testing/conformance-dns.ts";
import type { KnownDifference } from "./known-differences.ts";

export interface SpfCase {
  readonly zones: ZoneData;
  readonly ours: SpfOutcome;
  readonly theirs: { readonly result: string; readonly comment?: string };
}

const voidsOfHosts: KnownDifference = {
  name: "void look-ups of mx hosts and client names",
  standard:
    "RFC 7208 §4.6.4 limits void look-ups to two (SHOULD) and does not say how those below one mx or ptr count. We count " +
    "one for a term, and the client's names, asked for once, once; mailauth each host of an mx, and each ptr again",
};
const hostBesideMatch: KnownDifference = {
  name: "an mx host that cannot be looked up beside one that matches",
  standard:
    "RFC 7208 §5.4: the term matches if any address of any host does, and the hosts have no order; mailauth stops at the " +
    "first failure by preference",
};

export function knownSpfDifference({ zones, ours, theirs }: SpfCase): KnownDifference | undefined {
  const limited = ours.reason.startsWith("too many names without records") || theirs.comment?.includes("Too many void");
  if (limited === true && Object.values(zones).some(({ TXT = [] }) => /ptr|mx|%\{p/i.test(TXT.join(" ")))) {
    return voidsOfHosts;
  }
  const matchesMx = / matches [-+~?]?mx/i.test(ours.reason);
  return theirs.result === "temperror" && matchesMx ? hostBesideMatch : undefined;
}
