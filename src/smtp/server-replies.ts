/**
 * The replies that the server core gives by itself, in one place so that codes can be read side by side. Enhanced codes
 * are those of RFC 3463 and RFC 5248: X.5.1 wrong or out-of-place command, X.5.2 syntax, X.5.4 arguments.
 */
import { reply, type Reply } from "./reply.ts";

export const serverReplies = {
  ok: reply(250, "2.0.0", "Ok"),
  senderOk: reply(250, "2.1.0", "Sender ok"),
  recipientOk: reply(250, "2.1.5", "Recipient ok"),
  messageOk: reply(250, "2.0.0", "Message accepted"),
  startContent: reply(354, undefined, "Send the message, end it with a line of one dot"),
  startTls: reply(220, "2.0.0", "Ready to start TLS"),
  bye: reply(221, "2.0.0", "Bye"),
  notVerified: reply(252, "2.0.0", "Addresses are not verified; send mail and see"),

  emptyLine: reply(500, "5.5.2", "A command was expected"),
  lineTooLong: reply(500, "5.5.2", "The line is too long"),
  bareLineEnd: reply(500, "5.5.2", "Lines end in CRLF; a CR or LF stood alone"),
  notUtf8: reply(501, "5.5.2", "The line is neither ASCII nor UTF-8"),
  controlCharacter: reply(501, "5.5.2", "The line has a control character"),
  unknownCommand: reply(500, "5.5.1", "Command not recognised"),
  notImplemented: reply(502, "5.5.1", "Command not implemented"),
  noArgument: reply(501, "5.5.4", "This command takes no argument"),
  argumentMissing: reply(501, "5.5.4", "This command needs an argument"),
  helloSyntax: reply(501, "5.5.4", "A domain or an address literal was expected"),
  mailSyntax: reply(501, "5.5.4", "Expected: MAIL FROM:<address>"),
  recipientSyntax: reply(501, "5.5.4", "Expected: RCPT TO:<address>"),
  chunkSyntax: reply(501, "5.5.4", "Expected: BDAT and a number of octets, then perhaps LAST"),

  helloFirst: reply(503, "5.5.1", "Introduce yourself first"),
  mailFirst: reply(503, "5.5.1", "MAIL comes first"),
  recipientFirst: reply(503, "5.5.1", "There is no accepted recipient"),
  nestedMail: reply(503, "5.5.1", "A transaction is open already"),
  chunksBegun: reply(503, "5.5.1", "The message has begun with BDAT"),
  notInTransaction: reply(503, "5.5.1", "Not during a transaction"),
  binaryNeedsChunks: reply(503, "5.5.1", "BODY=BINARYMIME needs BDAT"),
  tlsActive: reply(503, "5.5.1", "TLS is active already"),
  loggedIn: reply(503, "5.5.1", "You are logged in already"),
  serviceRefused: reply(503, "5.5.1", "No service for you here; QUIT is all that is left"),

  tlsFirst: reply(530, "5.7.0", "Start TLS first"),
  loginFirst: reply(530, "5.7.0", "Log in first"),
  mechanismNeedsTls: reply(538, "5.7.11", "This login needs TLS"),
  mechanismUnknown: reply(504, "5.5.4", "Login mechanism not recognised"),
  loginOk: reply(235, "2.7.0", "Login accepted"),
  loginCancelled: reply(501, "5.7.0", "Login cancelled"),
  loginSyntax: reply(501, "5.5.2", "The login's response is not base64"),
  loginTooLong: reply(500, "5.5.6", "The login's response is too long"),

  tooManyRecipients: reply(452, "4.5.3", "Too many recipients in one message"),
  tooLarge: reply(552, "5.3.4", "The message is larger than the limit"),
  bareCr: reply(550, "5.5.2", "The message has a CR without LF; every line must end in CRLF (RFC 5321, section 2.3.8)"),
  bareLf: reply(
    550,
    "5.5.2",
    "The message has an LF without CR; every line must end in CRLF (RFC 5321, section 2.3.8)",
  ),
  earlyTalk: reply(554, "5.5.0", "You spoke before it was your turn"),
  plaintextAfterStartTls: reply(554, "5.5.0", "Nothing may follow STARTTLS before TLS"),

  tooManyErrors: reply(421, "4.7.0", "Too many errors, closing"),
  tooManyTransactions: reply(421, "4.7.0", "Enough messages for one session, closing"),
  timeout: reply(421, "4.4.2", "You were silent for too long, closing"),
  memoryShort: reply(421, "4.3.2", "The server is too busy, closing"),
  makingRoom: reply(421, "4.3.2", "Too many sessions, closing those that are idle"),
  shuttingDown: reply(421, "4.3.2", "The service is shutting down, closing"),
  sentAhead: reply(421, "4.5.0", "You sent more without waiting for this answer; none of it was executed, closing"),
  unaskedContent: reply(421, "4.5.0", "What follows looks like a message that was refused, closing"),
  lostChunk: reply(421, "4.5.0", "Where your chunk ends cannot be told, closing"),
  notSmtp: reply(421, "4.7.0", "This is SMTP in clear, closing"),
} as const satisfies Record<string, Reply>;
