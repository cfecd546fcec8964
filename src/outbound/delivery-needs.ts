/**
 * What a message needs of the server that takes it, found from its own octets and addresses and never from a flag that
 * came with it (RFC 6531 §3.4), so that it is the same after every requeue and on every connection. No content is
 * converted here: a server that lacks what is needed does not get the message.
 */
import { Buffer } from "node:buffer";
import type { StoredMessage, StoredRecipient } from "../spool/spool.ts";
import type { Capabilities } from "../smtp/client-capabilities.ts";
import type { BodyType } from "../smtp/envelope.ts";
import { impossible, type PeerFacts, type Setback } from "./delivery-verdict.ts";

export interface MessageNeeds {
  readonly body: BodyType;
  /** The header section, the reverse-path or every recipient is internationalised. */
  readonly smtpUtf8: boolean;
}

export function messageNeeds(
  message: StoredMessage,
  headerBlock: Uint8Array,
  recipients: readonly StoredRecipient[],
): MessageNeeds {
  const { binary, eightBit, utf8Header } = message.facts;
  const utf8HeaderBlock = headerBlock.length !== message.headerBlock.length;
  const utf8Addresses =
    !isAscii(message.reversePath) || recipients.every((recipient) => !isAscii(wireAddress(recipient)));
  return {
    body: binary ? "BINARYMIME" : eightBit || utf8Header || utf8HeaderBlock ? "8BITMIME" : "7BIT",
    smtpUtf8: utf8Header || utf8HeaderBlock || utf8Addresses,
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
  if (needs.smtpUtf8 && !peer.smtpUtf8) return lackingUtf8(facts);
  if (needs.body === "BINARYMIME" && !peer.binaryMime) {
    const reason = `the message is binary, and ${facts.host} does not take BINARYMIME; nothing was converted`;
    return impossible("5.6.3", "content", reason, facts);
  }
  if (needs.body === "8BITMIME" && !peer.eightBitMime) {
    const reason = `the message has 8-bit octets, and ${facts.host} does not take 8BITMIME; nothing was converted`;
    return impossible("5.6.3", "content", reason, facts);
  }
  return undefined;
}

/** RFC 6531 §3.5: an internationalised message or address never goes to a server without SMTPUTF8. */
export function lackingUtf8(facts: PeerFacts): Setback {
  const reason = `the message or address is internationalised, and ${facts.host} does not take SMTPUTF8`;
  return impossible("5.6.7", "content", reason, facts);
}
