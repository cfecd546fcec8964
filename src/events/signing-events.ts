/** The keys that sign, and signing itself. */
import { error, problem, domain, selector } from "./common-fields.ts";
import { declare, optional, text } from "./event-declaration.ts";

const dkimKey = {
  domain,
  selector,
  algorithm: text("The algorithm: `rsa-sha256` or `ed25519-sha256`."),
  record: text("The name of its record in DNS."),
  dns: optional(text("What DNS says instead.")),
};

export const signingEvents = {
  "dkim-key-generated": declare(
    "info",
    "A DKIM key was created.",
    "The server checks the DNS for its record; `posthaste dkim show` prints the record to publish.",
    dkimKey,
  ),
  "dkim-key-published": declare(
    "info",
    "The record of a new DKIM key was seen in DNS.",
    "Mail is signed with the key when the record is still there after its TTL.",
    dkimKey,
  ),
  "dkim-key-unpublished": declare(
    "warn",
    "The record of a new DKIM key was visible in DNS, but has disappeared.",
    "The server keeps checking; the key does not sign yet.",
    dkimKey,
  ),
  "dkim-key-active": declare(
    "info",
    "A DKIM key began to sign.",
    "The server signs mail of its domain with this key.",
    dkimKey,
  ),
  "dkim-key-vanished": declare(
    "warn",
    "The record of a signing DKIM key is no longer in DNS, or no longer holds that key.",
    "Until the record is back, the server signs mail with the domain's other visible keys, or sends it unsigned.",
    dkimKey,
  ),
  "dkim-key-returned": declare(
    "info",
    "The record of a DKIM key is in DNS (again).",
    "The key signs from now on.",
    dkimKey,
  ),
  "dkim-key-retiring": declare(
    "info",
    "A DKIM key was replaced by a newer one.",
    "Its record must stay in DNS for mail on its way; `posthaste dkim show` says until when.",
    dkimKey,
  ),
  "dkim-key-retired": declare(
    "info",
    "A replaced DKIM key has expired; its private key was deleted.",
    "Remove its record from DNS.",
    dkimKey,
  ),
  "dkim-key-removed": declare(
    "info",
    "The record of a retired DKIM key has been removed from DNS.",
    "The server forgets the key.",
    dkimKey,
  ),
  "dkim-key-withdrawn": declare(
    "info",
    "An operator removed a DKIM key; its private key was deleted.",
    "It no longer signs mail; `posthaste dkim show` says whether its record must still stay in DNS.",
    dkimKey,
  ),
  "dkim-record-differs": declare(
    "warn",
    "The DNS record under a DKIM key's name does not hold this server's key.",
    "The key does not sign; `posthaste dkim show` prints the record to publish.",
    dkimKey,
  ),
  "dkim-key-problem": declare(
    "warn",
    "A declared DKIM key cannot be used, for the reason given.",
    "It does not sign.",
    { domain, selector, problem },
  ),
  "signing-failed": declare(
    "error",
    "A message could not be signed, although there is a key for it.",
    "It is sent unsigned.",
    { domain, error },
  ),
};
