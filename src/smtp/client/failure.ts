/** Why a connection to a server is of no more use. A value: peers that fail are expected. */
import { quotedReply, replyText, type ReceivedReply } from "../reply-reader.ts";

export type ClientFailure =
  /** The peer said no, or not now, to us rather than to a message. */
  | { readonly kind: "refused"; readonly command: string; readonly reply: ReceivedReply }
  | { readonly kind: "timed-out"; readonly command: string; readonly detail: string }
  | { readonly kind: "lost"; readonly command: string; readonly detail: string }
  /** The peer broke the protocol (a reply that is none, one that nobody asked for, octets before the TLS handshake). */
  | { readonly kind: "protocol-error"; readonly command: string; readonly detail: string }
  /** Ours: content that must not go over DATA was about to. Nothing of it became a message. */
  | { readonly kind: "bare-line-end"; readonly command: string; readonly detail: string };

/** The peer answered `command` with a reply that cannot answer it. */
export function noAnswer(command: string, reply: ReceivedReply): ClientFailure {
  return { kind: "protocol-error", command, detail: `${quotedReply(reply)} is no answer to ${command}` };
}

/** One line that tells a failure to people, the peer's own words included. */
export function failureText(failure: ClientFailure): string {
  return failure.kind === "refused" ? `${failure.command}: ${replyText(failure.reply)}` : failure.detail;
}
