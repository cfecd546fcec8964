/** Mailboxes as bare text, without brackets: in configuration, in header fields, in logs, and as keys of look-ups. */
import { domainKeyOf } from "./domain.ts";
import { asciiLowerCase, hasNonAscii } from "../lib/ascii-case.ts";
import { isDotString, scanMailbox } from "./mailbox-grammar.ts";
import type { Mailbox } from "./mailbox.ts";

/** `local-part@domain` and nothing else around it; UTF-8 is allowed. */
export function parseMailbox(text: string): Mailbox | undefined {
  const scanned = scanMailbox(text, 0);
  return scanned.kind === "mailbox" && scanned.end === text.length ? scanned.mailbox : undefined;
}

/**
 * The mailbox as SMTP writes it, the local-part in quotes where it needs them. The result holds no control octet, and
 * neither space nor ">" outside quotes, so it cannot break out of a path or a line.
 * @throws RangeError for a value that no parser here makes and that cannot be written safely.
 */
export function formatMailbox(mailbox: Mailbox): string {
  const local = formatLocalPart(mailbox.localPart);
  if (mailbox.domain === "") return local;
  if (domainKeyOf(mailbox.domain) === undefined) throw new RangeError("A mailbox has a malformed domain");
  return `${local}@${mailbox.domain}`;
}

/**
 * Equal for mailboxes that mean the same to us: domain by its key, local-part composed (NFC) and in lower case. For
 * looking up and comparing only; mail travels on with the local-part as received (RFC 5321 §2.4).
 */
export function mailboxKey(mailbox: Mailbox): string {
  return `${localPartKey(mailbox.localPart)}@${mailbox.domainKey}`;
}

/** Whoever names something after a local-part (a folder) names it by this, so that one user has one. */
export function localPartKey(localPart: string): string {
  if (!hasNonAscii(localPart)) return asciiLowerCase(localPart);
  const key = localPart.normalize("NFC").toLowerCase().normalize("NFC");
  // Unicode makes a k of the Kelvin sign. A name that is not ASCII never becomes one that is.
  return hasNonAscii(key) ? key : localPart;
}

function formatLocalPart(localPart: string): string {
  if (!localPart.isWellFormed()) throw new RangeError("A mailbox has a local-part that is not Unicode");
  if (isDotString(localPart)) return localPart;
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(localPart)) {
    throw new RangeError("A mailbox has a control character in its local-part");
  }
  return `"${localPart.replace(/["\\]/g, "\\$&")}"`;
}
