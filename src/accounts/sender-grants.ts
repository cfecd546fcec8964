/**
 * As whom users may send besides themselves: single addresses, and every address of a domain. They come from `send_as` of a
 * `[[user]]` and from `posthaste user grant`.
 */
import { domainKeyOf } from "../address/domain.ts";
import { mailboxKey, parseMailbox } from "../address/mailbox-text.ts";
import type { Mailbox } from "../address/mailbox.ts";
import type { Instant } from "../lib/instant.ts";
import { withoutTag } from "./account-key.ts";

export interface SenderGrant {
  /** Key of the user, see `mailboxKey`. */
  readonly user: string;
  /** As it was given: `support@example.org` or `*@example.org`. */
  readonly address: string;
  readonly createdAt: Instant;
}

/** More than any person writes as; a whole domain is one. */
export const grantsOfUserMax = 100;

/** What equal grants have in common; undefined: it is neither an address nor `*@domain`. */
export function grantKey(address: string): string | undefined {
  if (address.startsWith("*@")) {
    const domain = address.slice(2);
    const key = domain.startsWith("[") ? undefined : domainKeyOf(domain);
    return key === undefined ? undefined : `*@${key}`;
  }
  const mailbox = parseMailbox(address);
  // Someone who writes a pattern should not get the address of that name.
  return mailbox === undefined || mailbox.localPart.includes("*") ? undefined : mailboxKey(mailbox);
}

/** Those of one moment; a change makes a new one. */
export class SenderGrants {
  readonly #byUser = new Map<string, Set<string>>();

  /** What cannot be read grants nothing. */
  constructor(grants: readonly Pick<SenderGrant, "user" | "address">[] = []) {
    for (const { user, address } of grants) {
      const key = grantKey(address);
      if (key === undefined) continue;
      const own = this.#byUser.get(user) ?? new Set();
      this.#byUser.set(user, own.add(key));
    }
  }

  /** `user`: its key. A granted address covers the same with a tag, as a user's own does. */
  allows(user: string, mailbox: Mailbox): boolean {
    const own = this.#byUser.get(user);
    if (own === undefined) return false;
    const key = mailboxKey(mailbox);
    return own.has(key) || own.has(withoutTag(key) ?? key) || own.has(`*@${mailbox.domainKey}`);
  }
}
