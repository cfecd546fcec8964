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
