/** What each command does in a session: asks the driver by an event, or answers by itself. */
import {
  announcedContent,
  hasControlCharacter,
  parseChunk,
  parseCommand,
  type Verb,
  withoutBlanksAfterColon,
} from "../command-parser.ts";
import { reply, type Reply } from "../reply.ts";
import { parseXclient } from "../xclient.ts";
import { isReply, parseAuth, parseHello, parseMail, parseRecipient, parseVerify } from "./arguments.ts";
import { offeredMechanisms } from "./extensions.ts";
import { phaseRefusal } from "./command-table.ts";
import { serverReplies } from "./replies.ts";
import type { ServerSession } from "./session.ts";

/** Runs one command line, without its CRLF. */
export function runCommand(session: ServerSession, line: string): void {
  const { verb, argument: given } = parseCommand(line);
  if (session.phase.kind === "refused" && verb !== "QUIT") {
    const { refusal } = session.phase;
    return announcedContent(line) === "chunk" ? session.refuseLostChunk(refusal) : session.refuse(verb ?? "", refusal);
  }
  if (verb === undefined) return unknownCommand(session, line);
  if (!speaks(session, verb))
    return session.refuse(verb, verb === "LHLO" ? serverReplies.ehloHere : serverReplies.lhloHere);
  const hasPath = verb === "MAIL" || verb === "RCPT";
  const argument = hasPath ? withoutBlanksAfterColon(given) : given;
  if (hasPath) session.argument = argument.slice(0, argumentShown);
  if (hasControlCharacter(argument)) {
    if (verb === "BDAT") return session.refuseLostChunk(serverReplies.controlCharacter);
    return session.refuse(verb, serverReplies.controlCharacter);
  }
  session.budget.countCommand(verb);
  const refusal = phaseRefusal(verb, session.phase, session);
  if (verb === "BDAT") return beginChunk(session, argument, refusal);
  if (refusal !== undefined) return session.refuse(verb, refusal);
  switch (verb) {
    case "HELO":
    case "EHLO":
    case "LHLO":
      return session.ask(verb, parseHello(verb, argument));
    case "MAIL":
      return mail(session, argument);
    case "RCPT":
      return recipient(session, argument);
    case "DATA":
      return data(session, argument);
    case "RSET":
      if (argument !== "") return session.refuse(verb, serverReplies.noArgument);
      session.beginAnew("reset");
      return session.write(serverReplies.ok);
    case "NOOP":
      return session.write(serverReplies.ok);
    case "HELP":
      return session.write(reply(214, "2.0.0", ...session.settings.helpText));
    case "QUIT":
      if (argument !== "") return session.refuse(verb, serverReplies.noArgument);
      return session.closeWith(serverReplies.bye, "quit");
    case "VRFY":
    case "EXPN":
      return verify(session, verb, argument);
    case "STARTTLS":
      return startTls(session, argument);
    case "AUTH":
      return auth(session, argument);
    case "XCLIENT":
      return xclient(session, argument);
    default:
      return verb satisfies never;
  }
}

/** Characters of an address (RFC 5321 §4.5.3.1), as many as the log repeats. */
const argumentShown = 320;

/** LMTP has LHLO in the place of HELO and EHLO, which get 500 (RFC 2033 §4.1). */
function speaks(session: ServerSession, verb: Verb): boolean {
  if (verb === "LHLO") return session.settings.kind === "lmtp";
  return session.settings.kind !== "lmtp" || (verb !== "HELO" && verb !== "EHLO");
}

function unknownCommand(session: ServerSession, line: string): void {
  // A web page can make a browser send a form to this port; the lines of its body must not be run as commands.
  if (/^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE) /.test(line)) {
    return session.closeWith(serverReplies.notSmtp, "not-smtp");
  }
  const announced = announcedContent(line);
  if (announced === "chunk") return session.refuseLostChunk(serverReplies.unknownCommand);
  session.refuse("", line.trim() === "" ? serverReplies.emptyLine : serverReplies.unknownCommand);
  session.dataRefused = announced === "data";
}

function mail(session: ServerSession, argument: string): void {
  const { transactionsMax } = session.settings;
  if (transactionsMax !== undefined && session.transactions >= transactionsMax) {
    return session.closeWith(serverReplies.tooManyTransactions, "transactions");
  }
  const tls = session.tlsActive ? "active" : session.settings.tlsAvailable ? "available" : "none";
  session.ask("MAIL", parseMail(argument, session.settings, tls));
}

function recipient(session: ServerSession, argument: string): void {
  const transaction = session.openTransaction;
  const event = parseRecipient(argument, transaction.parameters, session.settings);
  // The earlier recipients stay (RFC 5321 §4.5.3.1.10).
  const full = transaction.recipients >= session.settings.recipientsMax;
  session.ask("RCPT", full && !isReply(event) ? serverReplies.tooManyRecipients : event);
}

function data(session: ServerSession, argument: string): void {
  const needsChunks = session.openTransaction.parameters.body === "BINARYMIME";
  if (argument === "" && !needsChunks) return askForContent(session, "DATA");
  session.refuse("DATA", argument === "" ? serverReplies.binaryNeedsChunks : serverReplies.noArgument);
}

/** A chunk that may not be is read away before its refusal is written (RFC 3030 §2). */
function beginChunk(session: ServerSession, argument: string, refusal: Reply | undefined): void {
  const chunk = parseChunk(argument);
  if (chunk === undefined) return session.refuseLostChunk(refusal ?? serverReplies.chunkSyntax);
  if (refusal !== undefined) {
    session.unwantedChunk = { bytesLeft: chunk.size, refusal, byDriver: false };
    return;
  }
  const { phase } = session;
  if (phase.kind === "chunks") {
    const { transaction, content } = phase;
    content.beginChunk(chunk.size, chunk.last);
    session.phases.change("next-chunk", { kind: "content", transaction, content });
    return;
  }
  session.awaitingChunk = chunk;
  askForContent(session, "BDAT");
}

function askForContent(session: ServerSession, via: "DATA" | "BDAT"): void {
  const { parameters, recipients } = session.openTransaction;
  const { body = "7BIT", size } = parameters;
  session.events.push({
    kind: "content-begin",
    via,
    body,
    recipients,
    ...(size !== undefined && { declaredSize: size }),
  });
}

function verify(session: ServerSession, verb: "VRFY" | "EXPN", argument: string): void {
  if (argument === "") return session.refuse(verb, serverReplies.argumentMissing);
  if (session.settings.verifyEnabled)
    return session.ask(verb, parseVerify(verb === "VRFY" ? "vrfy" : "expn", argument));
  // RFC 5321 §7.3: an honest "don't know" for VRFY; EXPN may be missing altogether.
  if (verb === "VRFY") session.write(serverReplies.notVerified);
  else session.refuse(verb, serverReplies.notImplemented);
}

function startTls(session: ServerSession, argument: string): void {
  if (argument !== "") return session.refuse("STARTTLS", serverReplies.noArgument);
  if (session.tlsActive) return session.refuse("STARTTLS", serverReplies.tlsActive);
  if (!session.settings.tlsAvailable) return session.refuse("STARTTLS", serverReplies.notImplemented);
  if (session.closeIfPlaintext()) return;
  session.events.push({ kind: "starttls" });
}

/** A proxy waits for the reply, so what lies behind the command came from somebody else. */
function xclient(session: ServerSession, argument: string): void {
  if (!session.settings.xclient) return session.refuse("XCLIENT", serverReplies.xclientRefused);
  const attributes = parseXclient(argument);
  if (isReply(attributes)) return session.refuse("XCLIENT", attributes);
  if (session.closeIfBehindXclient()) return;
  session.events.push({ kind: "xclient", ...attributes });
}

function auth(session: ServerSession, argument: string): void {
  const { tls } = session.settings.authMechanisms;
  const offered = offeredMechanisms(session.settings, session.tlsActive);
  if (offered.length === 0 && tls.length === 0) {
    return session.refuse(
      "AUTH",
      session.settings.kind === "mx" ? serverReplies.loginElsewhere : serverReplies.notImplemented,
    );
  }
  if (session.authenticated) return session.refuse("AUTH", serverReplies.loggedIn);
  session.ask("AUTH", parseAuth(argument, offered, tls));
}
