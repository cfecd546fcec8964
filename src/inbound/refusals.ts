/**
 * Refusals that the protocol core gives by itself, as lines of the log: without them a developer sees a client fail and
 * nothing that says why. In development each comes with what to do about it, where that is known.
 */
import type { RefusedEvent } from "../smtp/server/event.ts";
import type { Reply } from "../smtp/reply.ts";
import { serverReplies } from "../smtp/server/replies.ts";
import { afterConduct } from "./conduct.ts";
import type { ListenerOptions } from "./listener-options.ts";
import type { SessionState } from "./session-state.ts";
import { noAction, type SessionAction } from "./session-action.ts";

const handshakeHint =
  "Most clients refuse a self-signed certificate. Start the server without --starttls, or configure the client to trust tls/self-signed.crt in the data folder.";

const tlsPortHint =
  "The client started with TLS. Switch TLS off in the client, or start the server with --tls-port PORT and connect the client to that port.";

export function noteRefused(
  state: SessionState,
  { verb, reply, argument }: RefusedEvent,
): SessionAction | Promise<SessionAction> {
  logRefused(state, { verb, reply, argument, hint: hintFor(verb, reply) });
  return reply.code >= 500 ? afterConduct(state, "error", noAction) : noAction;
}

/** What a listener's log adds to a failed handshake: in development the certificate is self-signed. */
export function handshakeHintFor(listener: ListenerOptions): string | undefined {
  return listener.development ? handshakeHint : undefined;
}

/** TLS, or HTTP, on a port that speaks SMTP in clear. */
export function noteNotSmtp(state: SessionState): void {
  logRefused(state, { verb: "", reply: serverReplies.notSmtp, hint: tlsPortHint });
}

interface LoggedRefusal {
  readonly verb: string;
  readonly reply: Reply;
  readonly argument?: string | undefined;
  readonly hint: string | undefined;
}

/**
 * A temporary refusal again, such as one recipient too many after another, is not repeated; it counts as no error, so there
 * could be any number.
 */
function logRefused(state: SessionState, { verb, reply: refusal, argument, hint }: LoggedRefusal): void {
  const { code, status = "", lines } = refusal;
  const reply = [code, status, ...lines].join(" ");
  if (code < 500 && state.refusal === reply) return;
  state.refusal = reply;
  state.log.event("command-refused", {
    client: state.client.address,
    command: verb === "" ? undefined : verb,
    argument,
    reply,
    hint: state.listener.development ? hint : undefined,
  });
}

function hintFor(verb: string, reply: Reply): string | undefined {
  if (verb === "STARTTLS" && reply === serverReplies.notImplemented) {
    return "Start the server with --starttls to offer it, or configure the client to send without TLS.";
  }
  if (reply === serverReplies.mechanismUnknown)
    return "The server offers PLAIN and LOGIN and accepts any user and password.";
  if (reply === serverReplies.tooManyRecipients) {
    return "The message has more recipients than the server accepts. The client can send another copy to the others.";
  }
  if (reply.code === 501 && (verb === "MAIL" || verb === "RCPT")) {
    return "A production server refuses such an address, too. Configure the application to use a full address, such as ann@example.org.";
  }
  return undefined;
}
