/**
 * Where the reports of a domain go: the mailto addresses of its rua, as far as their owners agree to get reports about it
 * (RFC 9990 §4), with the largest message each takes.
 */
import { asciiLowerCase, hasNonAscii } from "../../lib/ascii-case.ts";
import { parseMailbox } from "../../address/mailbox-text.ts";
import type { DmarcRecord } from "../../dmarc/dmarc-outcome.ts";
import { checkExternalDestination, percentDecoded } from "../../dmarc/external-destination.ts";
import type { Resolver } from "../../ports/resolver.ts";

export interface ReportDestination {
  /** `local@domain` ready for the wire. */
  readonly address: string;
  /** The mailbox's `domainKey`. */
  readonly domain: string;
  /** Octets of the message; RFC 7489 §6.2 let the owner say so, as in `mailto:dmarc@example.org!10m`. */
  readonly bytesMax: number;
}

export interface ReportDestinations {
  readonly destinations: readonly ReportDestination[];
  /** Sentences about addresses that get nothing. */
  readonly refused: readonly string[];
  /** DNS gave no answer about one of them: worth another try later. */
  readonly failure?: string;
}

/** RFC 7489 §6.2 asks for two at least; more than a few make us someone's mail cannon. */
export const destinationsMax = 4;

export async function findDestinations(
  resolver: Resolver,
  policyDomain: string,
  record: DmarcRecord,
): Promise<ReportDestinations> {
  const destinations = new Map<string, ReportDestination>();
  const refused: string[] = [];
  let failure: string | undefined;
  for (const uri of record.rua.slice(0, destinationsMax)) {
    const own = parseReportUri(uri);
    if (own === undefined) {
      refused.push(`${uri} is no mailto address`);
      continue;
    }
    const checked = await checkExternalDestination(resolver, policyDomain, uri);
    if (checked.kind === "refused") refused.push(checked.detail);
    else if (checked.kind === "failure") failure ??= checked.detail;
    else {
      // What the owner of the address names instead keeps the size that was published here.
      const bytesMax = record.reportBytesMax?.[uri] ?? Number.POSITIVE_INFINITY;
      for (const agreed of checked.uris) {
        const destination = parseReportUri(agreed);
        if (destination === undefined || destinations.size >= destinationsMax) continue;
        destinations.set(asciiLowerCase(destination.address), { ...destination, bytesMax });
      }
    }
  }
  return { destinations: [...destinations.values()], refused, ...(failure !== undefined && { failure }) };
}

/** Undefined for anything but mailto with one address. */
function parseReportUri(uri: string): Omit<ReportDestination, "bytesMax"> | undefined {
  const encoded = /^mailto:([^?]{1,1000})/i.exec(uri)?.[1];
  const address = encoded === undefined ? "" : percentDecoded(encoded);
  const mailbox = parseMailbox(address);
  // An address literal has no organisation that could agree to anything.
  if (mailbox === undefined || hasNonAscii(address) || mailbox.domainKey === "" || mailbox.domainKey.startsWith("["))
    return undefined;
  return { address, domain: mailbox.domainKey };
}
