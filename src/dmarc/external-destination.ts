/**
 * Whether the owner of an address for reports has agreed to get those of another domain (RFC 9990, "Verifying External
 * Destinations"; RFC 7489 §7.1). Without that check anyone could have the world's reports sent to a victim.
 */
import { dnsNameKeyOf } from "../address/domain.ts";
import { parseMailbox } from "../address/mailbox-text.ts";
import type { Mailbox } from "../address/mailbox.ts";
import type { Resolver } from "../ports/resolver.ts";
import { isDmarcRecord, parseDmarcRecord } from "./dmarc-record.ts";
import { DmarcRecords, organizationalDomainOf } from "./tree-walk.ts";

export type ExternalDestination =
  /** `uris`: where reports go; the receiving side may name others of the same host instead. */
  | { readonly kind: "agreed"; readonly external: boolean; readonly uris: readonly string[] }
  | { readonly kind: "refused"; readonly detail: string }
  /** Ask again later; until then nothing is sent. */
  | { readonly kind: "failure"; readonly detail: string };

/** A name as text (RFC 1035 §2.3.4). */
const nameLengthMax = 253;

/** `policyDomain`: where the record stands, lower case, A-labels. `uri`: one of its rua or ruf. */
export async function checkExternalDestination(
  resolver: Resolver,
  policyDomain: string,
  uri: string,
  records: DmarcRecords = new DmarcRecords(resolver),
): Promise<ExternalDestination> {
  const host = destinationHostOf(uri);
  if (host === undefined) return refused(`${uri} names no host`);
  const own = { kind: "agreed", external: false, uris: [uri] } as const;
  if (host === policyDomain) return own;
  if (host.slice(host.lastIndexOf(".") + 1) === policyDomain.slice(policyDomain.lastIndexOf(".") + 1)) {
    const [here, there] = await Promise.all([records.walk(policyDomain), records.walk(host)]);
    const failure = here.failure ?? there.failure;
    if (failure !== undefined) return { kind: "failure", detail: failure };
    if (organizationalDomainOf(here) === organizationalDomainOf(there)) return own;
  }
  const name = `${policyDomain}._report._dmarc.${host}`;
  if (name.length > nameLengthMax) return refused(`the name to ask, ${policyDomain}._report._dmarc, is too long`);
  const answer = await resolver.query(name, "TXT");
  if (answer.kind === "failure") {
    return { kind: "failure", detail: `the record at ${name} could not be looked up: ${answer.reason}` };
  }
  const agreeing = answer.kind === "records" ? answer.records.filter(isDmarcRecord) : [];
  if (agreeing.length === 0) return refused(`there is no record v=DMARC1 at ${name}`);
  const replacements = agreeing.flatMap(replacementsIn);
  if (replacements.some((other) => destinationHostOf(other) !== host)) {
    return refused(`the record at ${name} leads to another host`);
  }
  return { kind: "agreed", external: true, uris: replacements.length > 0 ? replacements : [uri] };
}

/** Lower case, A-labels; undefined where there is none, or where a mailto has more than one plain address. */
export function destinationHostOf(uri: string): string | undefined {
  const mailbox = reportMailboxOf(uri);
  if (mailbox !== undefined) return dnsNameKeyOf(mailbox.domainKey);
  const host = /^[a-z][a-z\d+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:@]+)/i.exec(uri)?.[1];
  return host === undefined ? undefined : dnsNameKeyOf(percentDecoded(host));
}

/** The address of a mailto URI (RFC 6068 §2); what stands behind its `?` is not for machines. */
export function reportMailboxOf(uri: string): Mailbox | undefined {
  const text = /^mailto:([^?#]*)/i.exec(uri)?.[1];
  return text === undefined ? undefined : parseMailbox(percentDecoded(text));
}

function replacementsIn(text: string): readonly string[] {
  const parsed = parseDmarcRecord(text);
  return parsed.kind === "other" ? [] : parsed.record.rua;
}

/** `text` itself where it is not percent-encoded UTF-8. */
export function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function refused(detail: string): ExternalDestination {
  return { kind: "refused", detail };
}
