/**
 * Writes the commands of a transaction with their parameters (RFC 5321 §4.1.1, RFC 1870, 6152, 3030, 6531, 3461, 4954, 8689).
 *
 * Owns two promises. A parameter is written only if the capabilities given allow it. And whatever an address or a
 * parameter holds, it cannot end the path or the command: what could is refused by {@link isWirePath} and
 * {@link isWireParameter} before anything is sent.
 */
import { asciiUpperCase } from "../../lib/ascii-case.ts";
import type { Capabilities } from "./capabilities.ts";
import type { BodyType, NotifyCondition } from "../envelope.ts";

export interface OutgoingRecipient {
  /** `local@domain` ready for the wire (quoted where needed). */
  readonly address: string;
  readonly notify?: readonly NotifyCondition[];
  /** ORCPT as received. */
  readonly originalRecipient?: string;
}

export interface OutgoingEnvelope {
  /** Ready for the wire; "" is the null reverse-path. */
  readonly reversePath: string;
  readonly recipients: readonly OutgoingRecipient[];
  /** What the content is, by its own octets. */
  readonly body: BodyType;
  /** An address, or a header of a message declared so, needs SMTPUTF8 (RFC 6531 §3.4). */
  readonly smtpUtf8: boolean;
  /** Octets of the whole message. */
  readonly size: number;
  readonly ret?: "FULL" | "HDRS";
  /** ENVID, xtext as received. */
  readonly envelopeId?: string;
  /** REQUIRETLS, where the server offers it; only for a session under TLS. */
  readonly requireTls?: true;
}

/** Without its CRLF, like every command here. `authenticated`: we have logged in here, so AUTH= is owed where it is offered (RFC 4954 §5). */
export function mailCommand(envelope: OutgoingEnvelope, peer: Capabilities, authenticated: boolean): string {
  let command = `MAIL FROM:<${envelope.reversePath}>`;
  if (peer.size) command += ` SIZE=${envelope.size}`;
  if (envelope.body === "8BITMIME" && peer.eightBitMime) command += " BODY=8BITMIME";
  if (envelope.body === "BINARYMIME" && peer.binaryMime) command += " BODY=BINARYMIME";
  if (envelope.smtpUtf8 && peer.smtpUtf8) command += " SMTPUTF8";
  if (peer.dsn) {
    if (envelope.ret !== undefined) command += ` RET=${envelope.ret}`;
    if (envelope.envelopeId !== undefined && isWireParameter(envelope.envelopeId)) {
      command += ` ENVID=${envelope.envelopeId}`;
    }
  }
  if (envelope.requireTls === true && peer.requireTls) command += " REQUIRETLS";
  // Who submitted it is nobody else's business, so the unknown identity is passed on.
  if (authenticated && peer.auth.length > 0) command += " AUTH=<>";
  return command;
}

export function recipientCommand(recipient: OutgoingRecipient, peer: Capabilities, smtpUtf8: boolean): string {
  let command = `RCPT TO:<${recipient.address}>`;
  if (peer.dsn) {
    if (recipient.notify !== undefined && recipient.notify.length > 0)
      command += ` NOTIFY=${recipient.notify.join(",")}`;
    if (recipient.originalRecipient !== undefined) {
      const text =
        smtpUtf8 && peer.smtpUtf8 ? recipient.originalRecipient : asciiRecipient(recipient.originalRecipient);
      if (isWireParameter(text)) command += ` ORCPT=${text}`;
    }
  }
  return command;
}

/**
 * Can be put between `<` and `>` and stays one path: no control character anywhere, and neither space nor angle
 * bracket outside a quoted string, which must be closed. Grammar is the address parser's; this is the last door.
 */
export function isWirePath(address: string): boolean {
  // Almost all addresses are told by this one.
  if (/^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~@:[\]-]+$/.test(address)) return true;
  if (/[\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(address)) return false;
  // Spaces of other scripts (U+3000) end nothing, and an address may have them (RFC 6531 §3.3).
  return /^(?:[^ "<>\\]|"(?:[^"\\]|\\.)*")*$/u.test(address);
}

/** A parameter's value: no control character, space or "=" (RFC 5321 §4.1.2 esmtp-value, UTF-8 by RFC 6531 §3.3). */
export function isWireParameter(value: string): boolean {
  return value !== "" && !/[\x00-\x20=\x7f-\x9f\u2028\u2029]/.test(value);
}

/** An ORCPT in `utf-8` form for a transaction without SMTPUTF8: utf-8-addr-xtext (RFC 6533 §3). */
function asciiRecipient(text: string): string {
  return text.replaceAll(/[^\x00-\x7f]/gu, (character) => {
    return `\\x{${asciiUpperCase((character.codePointAt(0) ?? 0xfffd).toString(16))}}`;
  });
}
