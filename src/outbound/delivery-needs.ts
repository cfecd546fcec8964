/**
 * What a message needs of the server that takes it, found from what is stored with it, so that it is the same after every
 * requeue and on every connection. Only sendable-form.ts converts content, for a server without 8BITMIME. A server that lacks
 * anything else does not get the message.
 *
 * Two things need SMTPUTF8: an address that is not ASCII, and a UTF-8 header of a message whose sender declared SMTPUTF8.
 * The declaration alone needs nothing (RFC 6531 §3.4). A UTF-8 header alone is plain 8-bit content: shops, scanners and
 * scripts write such headers without a thought for RFC 6531, every reader shows them, and to declare them for their
 * senders would have them bounced by the next server that lacks the extension.
 */
import { Buffer } from "node:buffer";
import { needsRequireTls, type StoredMessage, type StoredRecipient } from "../spool/spool.ts";
import type { Capabilities } from "../smtp/client/capabilities.ts";
import type { BodyType } from "../smtp/envelope.ts";
import { impossible, type PeerFacts, type Setback } from "./delivery-verdict.ts";

export interface MessageNeeds {
  /** Octets as sent. */
  readonly size: number;
  readonly body: BodyType;
  /** The reverse-path or every recipient is not ASCII, or a header is UTF-8 in a message declared SMTPUTF8. */
  readonly smtpUtf8: boolean;
  /** REQUIRETLS has to go along (RFC 8689 §4.2.1). */
  readonly requireTls?: boolean;
}

export function messageNeeds(
  message: StoredMessage,
  headerBlock: Uint8Array,
  recipients: readonly StoredRecipient[],
  dialect: "smtp" | "lmtp",
): MessageNeeds {
  const { binary, eightBit } = message.facts;
  const utf8HeaderBlock = headerBlock.length !== message.headerBlock.length;
  const utf8Header = message.facts.utf8Header || utf8HeaderBlock;
  const utf8Addresses =
    !isAscii(message.reversePath) || recipients.every((recipient) => !isAscii(wireAddress(recipient)));
  return {
    size: headerBlock.length + message.size,
    body: binary ? "BINARYMIME" : eightBit || utf8Header ? "8BITMIME" : "7BIT",
    smtpUtf8: utf8Addresses || (message.smtpUtf8 && utf8Header),
    // LMTP is the last hop (RFC 8689 §4.4).
    requireTls: dialect === "smtp" && needsRequireTls(message),
  };
}

/** As it goes into RCPT: where the domain alone is not ASCII, its A-labels say the same to every server. */
export function wireAddress(recipient: StoredRecipient): string {
  const { address } = recipient;
  if (isAscii(address)) return address;
  const local = address.slice(0, address.lastIndexOf("@"));
  return isAscii(local) && isAscii(recipient.domain) ? `${local}@${recipient.domain}` : address;
}

export function isAscii(text: string): boolean {
  return Buffer.byteLength(text, "utf8") === text.length;
}

/** Why the message, to any recipient, cannot go to this server; undefined: it can. */
export function lacking(needs: MessageNeeds, peer: Capabilities, facts: PeerFacts): Setback | undefined {
  if (needs.requireTls === true && (facts.tls?.verified !== true || !peer.requireTls)) return lackingTls(facts);
  if (peer.sizeMax !== undefined && needs.size > peer.sizeMax) {
    const reason = `the message has ${needs.size} octets, but ${facts.host} accepts at most ${peer.sizeMax}`;
    return impossible("5.3.4", "content", reason, facts);
  }
  if (needs.smtpUtf8 && !peer.smtpUtf8) return lackingUtf8(facts);
  if (needs.body === "BINARYMIME" && !peer.binaryMime) {
    const reason = `the message is binary, but ${facts.host} does not support BINARYMIME; the message was not converted`;
    return impossible("5.6.3", "content", reason, facts);
  }
  if (needs.body === "8BITMIME" && !peer.eightBitMime) {
    const reason = `the message has 8-bit octets, but ${facts.host} does not support 8BITMIME; the message was not converted`;
    return impossible("5.6.3", "content", reason, facts);
  }
  return undefined;
}

/** Until every server of the site was asked, one that lacks something decides nothing. */
export function lackingForNow(lack: Setback, unasked: Setback | undefined): Setback {
  const reason = `${lack.reason}; the other servers of the site have not been tried yet${unasked === undefined ? "" : ` (${unasked.reason})`}`;
  return {
    kind: "deferred",
    status: "4.4.1",
    owner: "remote-trouble",
    reason,
    ...(lack.diagnostic && { diagnostic: lack.diagnostic }),
  };
}

/** RFC 8689 §4.2.1: the route demands a verified host already; a session that is less, whatever the reason, gets nothing. */
function lackingTls(facts: PeerFacts): Setback {
  const wish = "the sender requires TLS all the way (REQUIRETLS)";
  if (facts.tls?.verified === true) {
    return impossible("5.7.30", "policy", `${wish}, but ${facts.host} does not support REQUIRETLS`, facts);
  }
  return impossible("5.7.10", "policy", `${wish}, but the session with ${facts.host} is not verified TLS`, facts);
}

/** RFC 6531 §3.5: an internationalised message or address never goes to a server without SMTPUTF8. */
export function lackingUtf8(facts: PeerFacts): Setback {
  const reason = `the message or address is internationalised, but ${facts.host} does not support SMTPUTF8`;
  return impossible("5.6.7", "content", reason, facts);
}
