/**
 * The author domain (RFC 9989 §3.2.2, §5.3.1): the one domain that the one From field of a message names.
 *
 * What readers of mail could understand in two ways names no domain: several fields, several domains, and what is no
 * address list. Such a message cannot pass, and whether it is wanted at all is for policy to say (§11.5).
 */
import { isUtf8 } from "node:buffer";
import { hasNonAscii } from "../lib/ascii-case.ts";
import { parseAddressList } from "../message/address-list.ts";
import type { HeaderSection } from "../message/header-section.ts";

export type AuthorDomain =
  /** A-labels, lower case. */
  | { readonly kind: "domain"; readonly domain: string }
  /** No From field, or one without a domain. */
  | { readonly kind: "none"; readonly detail: string }
  | { readonly kind: "several"; readonly detail: string }
  | { readonly kind: "malformed"; readonly detail: string };

export function readAuthorDomain(header: HeaderSection): AuthorDomain {
  const [field, second] = header.all("from");
  if (field === undefined) return { kind: "none", detail: "The message has no From field" };
  if (second !== undefined) return { kind: "several", detail: "The message has more than one From field" };
  const list = parseAddressList(field.value, { unroutable: true });
  if (list.kind === "malformed") return { kind: "malformed", detail: `From cannot be read: ${list.reason}` };
  const [first, ...others] = list.mailboxes;
  if (first === undefined) return { kind: "none", detail: "From names no address" };
  const { domain, domainKey } = first.mailbox;
  if (others.some(({ mailbox }) => mailbox.domainKey !== domainKey)) {
    return { kind: "several", detail: "From names addresses of more than one domain" };
  }
  if (domainKey.startsWith("[")) return { kind: "none", detail: "From names an IP address instead of a domain" };
  // Octets that are no UTF-8 have no meaning of their own; each program would see another domain (RFC 6532 §3.2).
  if (hasNonAscii(domain) && !isUtf8(field.raw)) {
    return { kind: "malformed", detail: "From cannot be read: its domain is not UTF-8" };
  }
  return { kind: "domain", domain: domainKey };
}

/** Every domain that some reader of the message could take for its author's. */
export type ClaimedDomains =
  /** A-labels, lower case; empty where there is no author at all. */
  | { readonly kind: "known"; readonly domains: readonly string[] }
  /** `reason`: short ASCII text. Whoever asks must take it that any domain may be claimed. */
  | { readonly kind: "undecided"; readonly reason: string };

/** Mail of several authors has a few of them; each may cost whoever asks a look-up. */
const claimedDomainsMax = 10;

/** For decisions that must not overlook an author; {@link readAuthorDomain} says whether there is the one. */
export function readClaimedDomains(header: HeaderSection): ClaimedDomains {
  const domains = new Set<string>();
  for (const field of header.all("from")) {
    const { value } = field;
    // `MAILER-DAEMON`: no reader finds a domain where there is none.
    if (/^[\x20-\x7e]*$/.test(value) && !/@|=\?/.test(value)) continue;
    const list = parseAddressList(value, { unroutable: true });
    if (list.kind === "malformed") return { kind: "undecided", reason: list.reason };
    if (list.mailboxes.length === 0) return { kind: "undecided", reason: "From names no address" };
    for (const { mailbox } of list.mailboxes) {
      const { domain, domainKey } = mailbox;
      if (hasNonAscii(domain) && !isUtf8(field.raw)) {
        return { kind: "undecided", reason: "The domain in From is not UTF-8" };
      }
      if (!domainKey.startsWith("[")) domains.add(domainKey);
    }
    if (domains.size > claimedDomainsMax) return { kind: "undecided", reason: "From names too many domains" };
  }
  return { kind: "known", domains: [...domains] };
}
