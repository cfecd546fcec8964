/** Consumes a session's input: a command, content, a chunk that is read away, the response to a challenge. */
import { parseCommand } from "../command-parser.ts";
import { reply, type Reply } from "../reply.ts";
import { decodeBase64 } from "./arguments.ts";
import type { ContentReceiver } from "./content.ts";
import { runCommand } from "./dispatch.ts";
import type { ContentEndEvent } from "./event.ts";
import type { BadLine, LineFault } from "./input.ts";
import { greeted, type Transaction } from "./phase.ts";
import { serverReplies } from "./replies.ts";
import { authLineBytesMax, type ServerSession, type UnwantedChunk } from "./session.ts";

/** One step in the present phase; false when it needs more input. */
export function advance(session: ServerSession): boolean {
  const { phase, unwantedChunk } = session;
  if (unwantedChunk !== undefined) return readAway(session, unwantedChunk);
  switch (phase.kind) {
    case "greeting":
      session.events.push({ kind: "connect" });
      return true;
    case "connected":
    case "greeted":
    case "transaction":
    case "recipients":
    case "chunks":
    case "refused":
      return readCommand(session);
    case "content":
      return readContent(session, phase.transaction, phase.content);
    case "auth":
      return readAuthResponse(session);
    case "tls-handshake":
      if (session.input.length === 0) return false;
      session.close("plaintext-after-starttls");
      return true;
    case "closed":
      return false;
    default:
      return phase satisfies never;
  }
}

function readCommand(session: ServerSession): boolean {
  if (!session.knownNotTls) {
    // A TLS handshake starts with its record type and version: the client meant the other port.
    const [type, version] = [session.input.octetAt(0), session.input.octetAt(1)];
    if (type === undefined || (type === 0x16 && version === undefined)) return false;
    if (type === 0x16 && version === 0x03) {
      session.closeWith(serverReplies.notSmtp, "not-smtp");
      return true;
    }
    session.knownNotTls = true;
  }
  const line = session.input.readLine(session.lineLimit);
  if (line === undefined) return false;
  session.idleSince = session.now;
  session.argument = undefined;
  const { dataRefused } = session;
  session.dataRefused = false;
  if (dataRefused && isNoCommand(line)) {
    session.refuse("", serverReplies.unknownCommand);
    session.closeWith(serverReplies.unaskedContent, "unasked-content");
  } else if (typeof line === "string") runCommand(session, line);
  else if (line.announces === "chunk") session.refuseLostChunk(lineFaultReplies[line.fault]);
  else {
    session.refuse("", lineFaultReplies[line.fault]);
    session.dataRefused = line.announces === "data";
  }
  session.closeIfExhausted();
  return true;
}

/** The dot that ends a message without any (RFC 2920 §3.1) is none either, and harmless. */
function isNoCommand(line: string | BadLine): boolean {
  return typeof line !== "string" || (line !== "." && parseCommand(line).verb === undefined);
}

function readContent(session: ServerSession, transaction: Transaction, content: ContentReceiver): boolean {
  if (!content.atBoundary) {
    if (session.input.length === 0) return false;
    const slices = content.read(session.input);
    if (slices.length > 0) {
      // The end is told in a step of its own: what the driver refuses by now has no verdict to give any more.
      session.events.push({ kind: "content", slices });
      return true;
    }
    if (!content.atBoundary) return true;
  }
  session.idleSince = session.now;
  const { refusal, size } = content;
  if (refusal !== undefined) {
    session.phases.change("refuse-content", greeted);
    session.events.push({ kind: "content-refused", size, ...refusal });
    session.writeForEach(content.complete ? transaction.recipients : 1, [refusal.reply]);
    if (refusal.reason === "bare-cr" || refusal.reason === "bare-lf") session.closeIfSentAhead();
  } else if (content.complete) {
    session.events.push({ kind: "content-end", size, ...repairsOf(content) });
  } else {
    session.phases.change("end-chunk", { kind: "chunks", transaction, content });
    session.write(reply(250, "2.0.0", `${size} octets received`));
  }
  return true;
}

function repairsOf({
  bareLineEnd,
  firstBareCr,
}: ContentReceiver): Pick<ContentEndEvent, "bareLineEnd" | "firstBareCr"> {
  return { ...(bareLineEnd !== undefined && { bareLineEnd }), ...(firstBareCr !== undefined && { firstBareCr }) };
}

/** The whole chunk, however long, before its refusal is written (RFC 3030 §2). */
function readAway(session: ServerSession, chunk: UnwantedChunk): boolean {
  const piece = session.input.peek();
  const bytes = Math.min(chunk.bytesLeft, piece === undefined ? 0 : piece.chunk.length - piece.offset);
  if (piece !== undefined && bytes > 0) session.input.consume(piece.offset + bytes);
  chunk.bytesLeft -= bytes;
  if (chunk.bytesLeft > 0) return bytes > 0;
  session.unwantedChunk = undefined;
  session.idleSince = session.now;
  if (chunk.byDriver) session.write(chunk.refusal);
  else session.refuse("BDAT", chunk.refusal);
  return true;
}

function readAuthResponse(session: ServerSession): boolean {
  const line = session.input.readLine(authLimit);
  if (line === undefined) return false;
  session.idleSince = session.now;
  session.phases.change("response", greeted);
  const response = typeof line === "string" ? decodeBase64(line) : undefined;
  if (line === "*") {
    cancelAuth(session, "client", serverReplies.loginCancelled);
  } else if (response !== undefined) {
    session.events.push({ kind: "auth-response", response });
  } else if (typeof line !== "string" && line.fault === "too-long") {
    cancelAuth(session, "too-long", serverReplies.loginTooLong);
  } else {
    cancelAuth(session, "syntax", serverReplies.loginSyntax);
  }
  return true;
}

function cancelAuth(session: ServerSession, cause: "client" | "syntax" | "too-long", refusal: Reply): void {
  session.events.push({ kind: "auth-cancelled", cause });
  session.refuse("AUTH", refusal);
}

const authLimit = (): number => authLineBytesMax;

const lineFaultReplies: Readonly<Record<LineFault, Reply>> = {
  "too-long": serverReplies.lineTooLong,
  "bare-line-end": serverReplies.bareLineEnd,
  "not-utf8": serverReplies.notUtf8,
};
