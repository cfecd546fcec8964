/**
 * The replies that the server core gives by itself, in one place so that codes can be read side by side. Enhanced codes
 * are those of RFC 3463 and RFC 5248: X.5.1 wrong or out-of-place command, X.5.2 syntax, X.5.4 arguments.
 */
import { reply, type Reply } from "../reply.ts";

export const serverReplies = {
  ok: reply(250, "2.0.0", "Ok"),
  senderOk: reply(250, "2.1.0", "Sender ok"),
  recipientOk: reply(250, "2.1.5", "Recipient ok"),
  messageOk: reply(250, "2.0.0", "Message accepted"),
  startContent: reply(354, undefined, "Start mail input; end with <CRLF>.<CRLF>"),
  startTls: reply(220, "2.0.0", "Ready to start TLS"),
  bye: reply(221, "2.0.0", "Bye"),
  notVerified: reply(252, "2.0.0", "Cannot verify the address, but will try to deliver"),

  emptyLine: reply(500, "5.5.2", "Empty line: a command was expected"),
  lineTooLong: reply(500, "5.5.2", "The line is too long"),
  bareLineEnd: reply(500, "5.5.2", "Every line must end in CRLF; a CR or LF stands alone"),
  notUtf8: reply(501, "5.5.2", "The line is neither ASCII nor UTF-8"),
  controlCharacter: reply(501, "5.5.2", "The line contains a control character"),
  unknownCommand: reply(500, "5.5.1", "Command not recognised"),
  notImplemented: reply(502, "5.5.1", "Command not implemented"),
  ehloHere: reply(500, "5.5.1", "This is SMTP, not LMTP; introduce yourself with EHLO"),
  lhloHere: reply(500, "5.5.1", "This is LMTP; introduce yourself with LHLO"),
  noArgument: reply(501, "5.5.4", "This command takes no argument"),
  argumentMissing: reply(501, "5.5.4", "This command needs an argument"),
  helloSyntax: reply(501, "5.5.4", "Expected: your domain name or an address literal"),
  mailSyntax: reply(501, "5.5.4", "Expected: MAIL FROM:<address>"),
  recipientSyntax: reply(501, "5.5.4", "Expected: RCPT TO:<address>"),
  chunkSyntax: reply(501, "5.5.4", "Expected: BDAT and a number of octets, optionally followed by LAST"),

  helloFirst: reply(503, "5.5.1", "Send EHLO or HELO first"),
  mailFirst: reply(503, "5.5.1", "Send MAIL first"),
  recipientFirst: reply(503, "5.5.1", "No recipient has been accepted"),
  nestedMail: reply(503, "5.5.1", "A transaction is already in progress"),
  chunksBegun: reply(503, "5.5.1", "Use BDAT: this message was started with BDAT"),
  notInTransaction: reply(503, "5.5.1", "Not allowed during a transaction"),
  binaryNeedsChunks: reply(503, "5.5.1", "BODY=BINARYMIME requires BDAT"),
  tlsActive: reply(503, "5.5.1", "TLS is already active"),
  loggedIn: reply(503, "5.5.1", "Already authenticated"),
  serviceRefused: reply(503, "5.5.1", "Service refused; only QUIT is accepted"),

  tlsFirst: reply(530, "5.7.0", "Send STARTTLS first"),
  loginFirst: reply(530, "5.7.0", "Authentication required"),
  loginElsewhere: reply(502, "5.5.1", "Authentication is not available on this port; use port 587 or 465"),
  xclientRefused: reply(550, "5.7.0", "XCLIENT is not allowed from this address"),
  mechanismNeedsTls: reply(538, "5.7.11", "This authentication mechanism requires TLS"),
  mechanismUnknown: reply(504, "5.5.4", "Authentication mechanism not recognised"),
  loginOk: reply(235, "2.7.0", "Authentication successful"),
  loginCancelled: reply(501, "5.7.0", "Authentication cancelled"),
  loginSyntax: reply(501, "5.5.2", "The authentication response is not valid base64"),
  loginTooLong: reply(500, "5.5.6", "The authentication response is too long"),

  tooManyRecipients: reply(452, "4.5.3", "Too many recipients in one message"),
  tooLarge: reply(552, "5.3.4", "The message exceeds the size limit"),
  bareCr: reply(
    550,
    "5.5.2",
    "The message contains a CR without LF; every line must end in CRLF (RFC 5321, section 2.3.8)",
  ),
  bareLf: reply(
    550,
    "5.5.2",
    "The message contains an LF without CR; every line must end in CRLF (RFC 5321, section 2.3.8)",
  ),
  earlyTalk: reply(554, "5.5.0", "Protocol error: command sent before the greeting"),
  plaintextAfterStartTls: reply(554, "5.5.0", "Protocol error: data sent after STARTTLS before the TLS handshake"),

  sentBehindXclient: reply(554, "5.5.0", "Protocol error: data sent after XCLIENT before its reply"),

  tooManyErrors: reply(421, "4.7.0", "Too many errors, closing connection"),
  tooManyTransactions: reply(421, "4.7.0", "Too many messages in one session, closing connection"),
  timeout: reply(421, "4.4.2", "Idle timeout, closing connection"),
  memoryShort: reply(421, "4.3.2", "Server too busy, closing connection"),
  makingRoom: reply(421, "4.3.2", "Too many sessions, closing idle connection"),
  shuttingDown: reply(421, "4.3.2", "Service shutting down, closing connection"),
  sentAhead: reply(
    421,
    "4.5.0",
    "Protocol error: commands sent without waiting for this reply were not executed, closing connection",
  ),
  unaskedContent: reply(421, "4.5.0", "Protocol error: received content of a refused message, closing connection"),
  lostChunk: reply(421, "4.5.0", "Cannot determine the end of the chunk, closing connection"),
  notSmtp: reply(421, "4.7.0", "This port expects SMTP without TLS, closing connection"),
} as const satisfies Record<string, Reply>;
