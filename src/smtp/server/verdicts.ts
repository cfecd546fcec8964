/** What a driver's verdict does to a session. */
import { reply, type Reply } from "../reply.ts";
import { ContentReceiver } from "./content.ts";
import type { ContentBeginEvent, ContentEndEvent, HelloEvent, VerdictEvent } from "./event.ts";
import { extendedHelloReply, plainHelloReply } from "./extensions.ts";
import { connected, greeted } from "./phase.ts";
import { serverReplies } from "./replies.ts";
import type { ServerSession } from "./session.ts";

/** The driver accepted, with its own reply or the core's. */
export function acceptEvent(
  session: ServerSession,
  event: Exclude<VerdictEvent, ContentEndEvent>,
  given: Reply | undefined,
): void {
  switch (event.kind) {
    case "connect": {
      if (session.closeIfEarlyTalk()) return;
      const { hostname, kind } = session.settings;
      session.phases.change("connect", connected);
      return session.write(given ?? reply(220, undefined, `${hostname} ${kind === "lmtp" ? "LMTP" : "ESMTP"}`));
    }
    case "hello":
      if (session.closeIfEarlyTalk()) return;
      session.beginAnew("hello");
      return session.write(given ?? helloReply(session, event.verb));
    case "mail":
      session.transactions++;
      session.phases.change("mail", {
        kind: "transaction",
        transaction: { parameters: event.parameters, recipients: 0 },
      });
      return session.write(given ?? serverReplies.senderOk);
    case "recipient": {
      const { phase, openTransaction } = session;
      openTransaction.recipients++;
      // Of a thousand recipients, only the first makes a phase.
      const next =
        phase.kind === "recipients" ? phase : ({ kind: "recipients", transaction: openTransaction } as const);
      session.phases.change("recipient", next);
      return session.write(given ?? serverReplies.recipientOk);
    }
    case "content-begin":
      return beginContent(session, event);
    case "auth":
    case "auth-response":
      session.authenticated = true;
      return session.write(given ?? serverReplies.loginOk);
    case "starttls":
      if (session.closeIfPlaintext()) return;
      session.phases.change("starttls", { kind: "tls-handshake" });
      return session.write(serverReplies.startTls);
    case "xclient":
      return session.beginAgain();
    case "vrfy":
    case "expn":
      return session.write(given ?? serverReplies.notVerified);
    default:
      return event satisfies never;
  }
}

/** The driver refused in its own words. */
export function refuseEvent(
  session: ServerSession,
  event: Exclude<VerdictEvent, ContentEndEvent>,
  refusal: Reply,
): void {
  if (event.kind === "connect") {
    session.phases.change("refuse-service", { kind: "refused", refusal: serverReplies.serviceRefused });
  } else if (event.kind === "content-begin") {
    session.phases.change("refuse-content", greeted);
    const chunk = session.awaitingChunk;
    if (chunk !== undefined) {
      session.unwantedChunk = { bytesLeft: chunk.size, refusal, byDriver: true };
      return;
    }
    session.dataRefused = true;
  } else if (event.kind === "recipient") {
    session.budget.countRefusedRecipient(refusal);
  } else {
    session.budget.countError(refusal);
  }
  session.write(refusal);
  session.closeIfExhausted();
}

function beginContent(session: ServerSession, { via, body }: ContentBeginEvent): void {
  const transaction = session.openTransaction;
  const { messageBytesMax: bytesMax, bareLineEnds } = session.settings;
  const content = new ContentReceiver({ via, body, bytesMax, bareLineEnds });
  if (via === "DATA") {
    if (session.closeIfEarlyTalk()) return;
    session.write(serverReplies.startContent);
  } else if (session.awaitingChunk !== undefined) {
    content.beginChunk(session.awaitingChunk.size, session.awaitingChunk.last);
  }
  session.phases.change("begin-content", { kind: "content", transaction, content });
}

/** Whatever was answered: the transaction and all its buffers are gone (RFC 5321 §4.1.1.4). */
export function finishContent(session: ServerSession, replies: readonly Reply[]): void {
  const { recipients } = session.openTransaction;
  session.phases.change("end-content", greeted);
  if (replies.some(({ code }) => code < 400)) session.budget.reset();
  session.writeForEach(recipients, replies);
}

function helloReply(session: ServerSession, verb: HelloEvent["verb"]): Reply {
  return verb === "HELO" ? plainHelloReply(session.settings) : extendedHelloReply(session.settings, session.tlsActive);
}
