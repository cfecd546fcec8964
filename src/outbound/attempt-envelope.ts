/** The envelope of one transaction: what a server is told about sender and recipients, and what it is not. */
import type { OutgoingEnvelope } from "../smtp/client/commands.ts";
import type { StoredMessage, StoredRecipient } from "../spool/spool.ts";
import { isAscii, wireAddress, type MessageNeeds } from "./delivery-needs.ts";

export interface EnvelopeTerms {
  readonly dialect: "smtp" | "lmtp";
  readonly needs: MessageNeeds;
  /** Of header block and content as they are sent, in octets. */
  readonly size: number;
  readonly body: OutgoingEnvelope["body"];
  /** The session is under TLS. */
  readonly tls: boolean;
}

export function envelopeOf(
  message: StoredMessage,
  batch: readonly StoredRecipient[],
  { dialect, needs, size, body, tls }: EnvelopeTerms,
): OutgoingEnvelope {
  const reports = dialect === "smtp";
  const recipients = batch.map((recipient) => {
    const address = wireAddress(recipient);
    // An LMTP server makes the final delivery, and the report about that is ours (RFC 3461 §5.2.3). If we asked it for one,
    // there would be two.
    if (!reports) return { address };
    const { notify, originalRecipient } = recipient;
    return { address, ...(notify && { notify }), ...(originalRecipient !== undefined && { originalRecipient }) };
  });
  return {
    reversePath: message.reversePath,
    recipients,
    body,
    smtpUtf8: needs.smtpUtf8 || !recipients.every(({ address }) => isAscii(address)),
    size,
    ...(reports && message.ret !== undefined && { ret: message.ret }),
    ...(reports && message.envelopeId !== undefined && { envelopeId: message.envelopeId }),
    ...(reports && tls && message.requireTls === true && { requireTls: true }),
  };
}
