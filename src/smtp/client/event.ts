/** What the client core tells its driver. */
import type { ReceivedReply } from "../reply-reader.ts";
import type { Capabilities } from "./capabilities.ts";
import type { ClientFailure } from "./failure.ts";
import type { RecipientResult } from "./recipient-results.ts";

export type ClientEvent =
  | { readonly kind: "greeted"; readonly reply: ReceivedReply }
  | { readonly kind: "hello-done"; readonly capabilities: Capabilities }
  /** 220 to STARTTLS: the driver makes the handshake and then calls `tlsEstablished`. */
  | { readonly kind: "start-tls" }
  /** STARTTLS was refused; the session goes on in clear, if the caller wants that. */
  | { readonly kind: "tls-refused"; readonly reply: ReceivedReply }
  | { readonly kind: "authenticated" }
  /**
   * `reply` is absent where the peer offers no mechanism that we have. `cancelled`: by us, since a challenge was not
   * acceptable; what the peer answers to that says nothing about the credentials.
   */
  | { readonly kind: "authentication-failed"; readonly reply: ReceivedReply | undefined; readonly cancelled?: true }
  /** Call `content` while `wantsContent`. */
  | { readonly kind: "send-content" }
  | { readonly kind: "transaction-done"; readonly results: readonly RecipientResult[] }
  | { readonly kind: "quit-done" }
  /** The session is over. Inside a transaction, `transaction-done` comes first. */
  | { readonly kind: "failed"; readonly failure: ClientFailure };
