/** Login names are addresses; here is how they are compared. */
import { domainKeyOf } from "../address/domain.ts";
import { mailboxKey } from "../address/mailbox-text.ts";
import { prepareString } from "../sasl/string-preparation.ts";

/** `undefined` when it cannot be an address. */
export function keyOfUsername(username: string): string | undefined {
  const at = username.lastIndexOf("@");
  const domain = username.slice(at + 1);
  const domainKey = at > 0 ? domainKeyOf(domain) : undefined;
  return domainKey === undefined ? undefined : mailboxKey({ localPart: username.slice(0, at), domain, domainKey });
}

/** RFC 4616 §2: nobody acts as someone else; naming oneself twice is fine. */
export function mayActAs(key: string, authorizationId: string): boolean {
  if (authorizationId === "") return true;
  const prepared = prepareString(authorizationId);
  return prepared !== undefined && keyOfUsername(prepared) === key;
}
