/**
 * `posthaste/smtp`: a client that sends, and both sides of the protocol (RFC 5321, RFC 2033) as cores without I/O: octets
 * and the time go in; events, octets and the next deadline come out.
 */
export {
  type Attachment,
  type Delivery,
  type OutgoingMail,
  type RefusedRecipient,
  SendError,
  sendMail,
  SmtpClient,
  type SmtpClientOptions,
} from "./smtp-client.ts";
export type { Capabilities } from "../smtp/client/capabilities.ts";
export type { ClientFailure } from "../smtp/client/failure.ts";
export type { ClientEvent } from "../smtp/client/event.ts";
export { ClientProtocol } from "../smtp/client/protocol.ts";
export type { ClientProtocolOptions } from "../smtp/client/session.ts";
export { type ClientTimeouts, standardTimeouts } from "../smtp/client/timeouts.ts";
export type { MailObject } from "../smtp/client/transaction.ts";
export type { RecipientResult } from "../smtp/client/recipient-results.ts";
export { type Reply, reply } from "../smtp/reply.ts";
export { type ReceivedReply, replyText } from "../smtp/reply-reader.ts";
export type { ServerEvent, VerdictEvent } from "../smtp/server/event.ts";
export { ServerProtocol } from "../smtp/server/protocol.ts";
export {
  defaultServerProtocolSettings,
  type ServerKind,
  type ServerProtocolSettings,
} from "../smtp/server/protocol-settings.ts";
