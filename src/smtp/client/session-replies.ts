/**
 * What each reply means outside of a transaction: to the greeting, EHLO, STARTTLS, AUTH and QUIT, and where nothing was
 * asked (RFC 5321 §3.1, §3.2, §4.1.4; RFC 3207; RFC 4954).
 */
import { isIntermediate, type ReceivedReply } from "../reply-reader.ts";
import type { ClientLogin } from "./authentication.ts";
import { noCapabilities, parseCapabilities } from "./capabilities.ts";
import { noAnswer } from "./failure.ts";
import type { HelloVerb } from "./phase.ts";
import type { ClientSession } from "./session.ts";

export function onReply(session: ClientSession, reply: ReceivedReply): void {
  const { phase } = session;
  if ("transaction" in phase) return phase.transaction.onReply(reply);
  if (phase.kind === "refused" || phase.kind === "closed") return;
  if (phase.kind === "quitting") return sayFarewell(session);
  // A kept connection is told "421, closing" like this, too.
  if (reply.code === 421) return session.fail({ kind: "refused", command: session.awaited, reply });
  switch (phase.kind) {
    case "greeting":
      return onGreeting(session, reply);
    case "hello":
      return onHello(session, phase.verb, reply);
    case "starttls":
      return onStartTls(session, reply);
    case "authentication":
      return onAuthentication(session, phase.login, reply);
    // Nothing was asked. Replies are not read before `greet` nor during a handshake.
    case "new":
    case "greeted":
    case "handshake":
    case "ready":
      return session.failUnasked(reply);
    default:
      phase satisfies never;
  }
}

/** An answer to QUIT, the end of the stream and the end of our patience come to the same. */
export function sayFarewell(session: ClientSession): void {
  session.events.push({ kind: "quit-done" });
  session.enter("farewell", { kind: "closed" });
}

function onGreeting(session: ClientSession, reply: ReceivedReply): void {
  if (isIntermediate(reply)) return session.fail(noAnswer("greeting", reply));
  if (reply.code >= 300) return refused(session, reply);
  session.events.push({ kind: "greeted", reply });
  session.enter("accepted", { kind: "greeted" });
}

function onHello(session: ClientSession, verb: HelloVerb, reply: ReceivedReply): void {
  if (isIntermediate(reply)) return session.fail(noAnswer(verb, reply));
  // RFC 5321 §4.1.4: a server that does not know EHLO is greeted with HELO; then no extension exists.
  if (verb === "EHLO" && reply.code >= 500) {
    if (!session.failIfAhead()) sayHello(session, "hello-unknown", "HELO");
    return;
  }
  if (reply.code >= 300) return refused(session, reply);
  session.capabilities = verb === "HELO" ? noCapabilities : parseCapabilities(reply.lines);
  session.events.push({ kind: "hello-done", capabilities: session.capabilities });
  session.enter("accepted", { kind: "ready" });
}

export function sayHello(session: ClientSession, event: "hello" | "hello-unknown", verb: HelloVerb): void {
  session.enter(event, { kind: "hello", verb });
  session.send(`${verb} ${session.options.heloName}`);
}

/** At the greeting or EHLO: the server has said that it does not serve us, and waits for QUIT. */
function refused(session: ClientSession, reply: ReceivedReply): void {
  session.events.push({ kind: "failed", failure: { kind: "refused", command: session.awaited, reply } });
  session.enter("refused", { kind: "refused" });
}

function onStartTls(session: ClientSession, reply: ReceivedReply): void {
  if (isIntermediate(reply)) return session.fail(noAnswer("STARTTLS", reply));
  if (reply.code >= 300) {
    session.events.push({ kind: "tls-refused", reply });
    session.enter("refused", { kind: "ready" });
  } else if (session.reader.hasBytes) {
    // Replies sent along with this one in clear would be believed under TLS (RFC 3207 §4.2).
    session.failUnasked();
  } else {
    session.events.push({ kind: "start-tls" });
    session.enter("accepted", { kind: "handshake" });
  }
}

function onAuthentication(session: ClientSession, login: ClientLogin, reply: ReceivedReply): void {
  if (isIntermediate(reply)) {
    const response = login.respond(reply.lines.join(""));
    // The mechanism and its cancellation have a fixed number of turns; a peer that goes on asking has none (RFC 4954 §4).
    if (response === undefined) return session.fail(noAnswer("AUTH", reply));
    if (session.failIfAhead()) return;
    session.enter("challenged", { kind: "authentication", login });
    session.send(response, "(credentials)");
  } else if (reply.code >= 300) {
    session.events.push({ kind: "authentication-failed", reply, ...(login.cancelled && { cancelled: true }) });
    session.enter("refused", { kind: "ready" });
  } else if (login.complete) {
    session.authenticated = true;
    session.events.push({ kind: "authenticated" });
    session.enter("accepted", { kind: "ready" });
  } else {
    session.fail(noAnswer("AUTH", reply));
  }
}
