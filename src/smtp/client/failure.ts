/** Why a connection to a server is of no more use. A value: peers that fail are expected. */
import type { ReceivedReply } from "../reply-reader.ts";

export type ClientFailure =
  /** The peer said no, or not now, to us rather than to a message. */
  | { readonly kind: "refused"; readonly command: string; readonly reply: ReceivedReply }
  | { readonly kind: "timed-out"; readonly command: string; readonly detail: string }
  | { readonly kind: "lost"; readonly command: string; readonly detail: string }
  /** The peer broke the protocol (a reply that is none, one that nobody asked for, octets before the TLS handshake). */
  | { readonly kind: "protocol-error"; readonly command: string; readonly detail: string }
  /** Ours: content that must not go over DATA was about to. Nothing of it became a message. */
  | { readonly kind: "bare-line-end"; readonly command: string; readonly detail: string };
