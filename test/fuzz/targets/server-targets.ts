/** The server core from every phase, and the parsers of its command lines. */
import assert from "node:assert/strict";
import { formatMailbox } from "../../../src/address/mailbox-text.ts";
import { parseChunk, parseCommand, pathTextOf, withoutBlanksAfterColon } from "../../../src/smtp/command-parser.ts";
import { splitParameters } from "../../../src/smtp/esmtp-parameters.ts";
import { isPrintableXtext } from "../../../src/smtp/mail-parameters.ts";
import { reply, type Reply } from "../../../src/smtp/reply.ts";
import { decodeBase64, parseAuth, parseHello, parseMail, parseRecipient } from "../../../src/smtp/server/arguments.ts";
import { needsVerdict, type ServerEvent, type VerdictEvent } from "../../../src/smtp/server/event.ts";
import {
  defaultServerProtocolSettings,
  type ServerProtocolSettings,
} from "../../../src/smtp/server/protocol-settings.ts";
import { ServerProtocol } from "../../../src/smtp/server/protocol.ts";
import { texts } from "../seeds.ts";
import { inPieces, type FuzzTarget } from "../target.ts";

const base: ServerProtocolSettings = {
  ...defaultServerProtocolSettings,
  hostname: "mx.test",
  kind: "mx",
  tlsAvailable: true,
  authMechanisms: { clear: ["PLAIN", "LOGIN"], tls: ["PLAIN", "LOGIN"] },
  messageBytesMax: 600,
  recipientsMax: 4,
};

/** The first octet of an input chooses one; they lead into every branch that settings have. */
const settings: readonly ServerProtocolSettings[] = [
  base,
  { ...base, kind: "lmtp" },
  { ...base, kind: "submission", authRequired: true, completesAddresses: true },
  { ...base, bareLineEnds: "repair" },
  { ...base, verifyEnabled: true, errorsMax: 3, refusedRecipientsMax: 2 },
  { ...base, tlsRequired: true },
  { ...base, transactionsMax: 2, messageBytesMax: 0 },
  { ...base, earlyTalk: "refuse" },
];

const envelope = "EHLO x\r\nLHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n";
/** The second octet chooses what was said before. */
const starts = [
  "",
  "EHLO x\r\nLHLO x\r\n",
  envelope,
  `${envelope}DATA\r\n`,
  `${envelope}BDAT 3\r\nabc`,
  `${envelope}BDAT 9\r\nabc`,
  "EHLO x\r\nLHLO x\r\nAUTH LOGIN\r\n",
  "EHLO x\r\nSTARTTLS\r\n",
].map((text) => Buffer.from(text, "latin1"));

/** What a line, or the largest answer to a challenge, may keep waiting; nothing else is kept. */
const bufferedMax = 12_290;
/** A reply of several lines may carry the output past its high water. */
const outputMax = 64 * 1024 + 4096;

/** One conversation: judges events by their own octets, and holds the core to its promises at each. */
class Session {
  readonly #core: ServerProtocol;
  readonly #settings: ServerProtocolSettings;
  /** Events in short, so that two conversations can be compared. */
  readonly story: string[] = [];
  output = "";
  handshakes = 0;
  /** Closed since more had come than could be told what it was. */
  sentAhead = false;
  /** The core can no longer tell what the octets at hand are: nothing but the end may follow before more come. */
  #outOfStep = false;
  #transaction: { accepted: number; bytes: number; began: boolean } | undefined;
  #content = "";
  #closed = false;
  #now = 0;
  /** Verdicts are not given until the driver is ready. */
  #withholds = false;
  #owed: VerdictEvent | undefined;
  #refusal: Reply | undefined;

  constructor(chosen: ServerProtocolSettings) {
    this.#settings = chosen;
    this.#core = new ServerProtocol(chosen, 0);
    this.#run();
  }

  send(bytes: Buffer): void {
    if (!this.#closed) this.#outOfStep = false;
    this.#core.receive(bytes, this.#now);
    this.#run();
    // While a verdict is owed, what has come waits with it.
    const waits = this.#owed === undefined ? this.#core.bufferedBytes : 0;
    assert.ok(waits <= bufferedMax, `${waits} octets wait`);
  }

  /** What happens to a session besides octets: time, its driver's troubles, a stop of the server. */
  interrupt(what: number): void {
    switch (what % 8) {
      case 0:
        this.#now = this.#core.deadline() ?? this.#now;
        this.#core.handleDeadline(this.#now);
        break;
      case 1:
        this.#core.shutdown(this.#now);
        break;
      case 2:
        this.#core.refuseContent(reply(451, "4.3.0", "Trouble"));
        break;
      case 3:
        this.#core.connectionLost(this.#now);
        break;
      case 4:
        this.#withholds = true;
        break;
      case 5:
        this.#core.endOfStream(this.#now);
        break;
      case 6:
        this.#now += 60_000;
        this.#core.handleDeadline(this.#now);
        break;
      default:
        this.#refusal = reply(421, "4.3.2", "Closing");
    }
    this.#run();
    const deadline = this.#core.deadline();
    assert.equal(deadline === undefined, this.#closed || this.#owed !== undefined, "somebody is waited for");
    assert.ok(deadline === undefined || deadline >= this.#now, "no deadline lies in the past");
  }

  /** Gives the verdict that is owed, and all others at once from here on. */
  decide(): void {
    this.#withholds = false;
    const event = this.#owed;
    this.#owed = undefined;
    if (event !== undefined) this.#judge(event);
    this.#run();
  }

  end(): void {
    this.#core.endOfStream(this.#now);
    this.#run();
    assert.ok(this.#closed, "the end of the stream ends the session");
    assert.match(this.output, /^(?:[2-5]\d\d[ -][ -~]{0,506}\r\n)*$/);
  }

  #run(): void {
    for (;;) {
      const event = this.#core.nextEvent();
      if (event === "output-full") {
        this.#take();
        continue;
      }
      if (typeof event === "string") {
        if (event !== "paused" || this.#closed || this.#owed !== undefined || this.#core.bufferedBytes > 0) break;
        this.#take();
        // Paused with nothing owed: a handshake is to be made.
        this.#core.tlsEstablished(this.#now);
        this.handshakes++;
        if (this.#core.nextEvent() === "paused") break;
        continue;
      }
      assert.ok(!this.#closed, "nothing follows the end");
      this.#follow(event);
      if (!needsVerdict(event)) continue;
      if (this.#withholds) this.#owed = event;
      else this.#judge(event);
    }
    this.#take();
  }

  #take(): void {
    const output = this.#core.takeOutput();
    if (output === undefined) return;
    assert.ok(output.length <= outputMax, `${output.length} octets of replies at once`);
    this.output += output.toString("latin1");
  }

  #judge(event: VerdictEvent): void {
    if (this.#closed) return this.#core.proceed(this.#now);
    if (this.#refusal !== undefined) {
      const refusal = this.#refusal;
      this.#refusal = undefined;
      return this.#core.answer(refusal, this.#now);
    }
    if (event.kind === "starttls") {
      this.handshakes++;
      if (this.output.length % 3 === 0) return this.#core.answer(reply(454, "4.7.0", "Not now"), this.#now);
    } else if (event.kind === "recipient") {
      if (event.forwardPath.localPart.startsWith("no")) return this.#core.answer(reply(550, "5.1.1", "No"), this.#now);
      if (this.#transaction !== undefined) this.#transaction.accepted++;
    } else if (event.kind === "auth" && event.initialResponse === undefined) {
      return this.#core.challenge(Buffer.from("?"), this.#now);
    } else if (event.kind === "auth-response" && event.response.length === 1) {
      return this.#core.challenge(Buffer.from("again"), this.#now);
    } else if (event.kind === "mail") {
      if (event.reversePath?.localPart === "no") return this.#core.answer(reply(451, "4.7.1", "Not now"), this.#now);
      this.#transaction = { accepted: 0, bytes: 0, began: false };
    } else if (event.kind === "content-begin" && event.declaredSize === 13) {
      this.#transaction = undefined;
      return this.#core.answer(reply(452, "4.3.1", "Full"), this.#now);
    } else if (event.kind === "content-end") {
      this.#transaction = undefined;
      if (event.size % 5 === 0) return this.#core.answer(reply(554, "5.6.0", "No"), this.#now);
    }
    return this.#core.proceed(this.#now);
  }

  #follow(event: ServerEvent): void {
    const transaction = this.#transaction;
    assert.ok(!this.#outOfStep || event.kind === "closed", "nothing is run of what cannot be told from content");
    switch (event.kind) {
      case "content": {
        assert.ok(transaction?.began === true, "content belongs to a transaction");
        for (const slice of event.slices) {
          transaction.bytes += slice.length;
          this.#content += Buffer.from(slice.buffer, slice.byteOffset, slice.length).toString("latin1");
        }
        const limit = this.#settings.messageBytesMax;
        assert.ok(limit === 0 || transaction.bytes <= limit, "no more content than is allowed");
        return;
      }
      case "mail":
        assert.equal(transaction, undefined, "one transaction at a time");
        break;
      case "recipient":
        assert.ok(transaction !== undefined && !transaction.began);
        assert.ok(transaction.accepted < this.#settings.recipientsMax, "no more recipients than are allowed");
        break;
      case "content-begin":
        assert.ok(transaction !== undefined && !transaction.began);
        assert.ok(event.recipients === transaction.accepted && event.recipients > 0, "somebody is to get it");
        transaction.began = true;
        this.#content = "";
        break;
      case "content-end":
        assert.equal(event.size, transaction?.bytes, "the size is that of the content");
        // How much of content that never ends was given by then depends on the cut; of whole content it does not.
        this.story.push(this.#content);
        break;
      case "content-refused":
        this.#transaction = undefined;
        this.#outOfStep = event.reason === "bare-cr" || event.reason === "bare-lf";
        break;
      case "reset":
        this.#transaction = undefined;
        break;
      case "refused":
        this.#outOfStep = event.verb === "BDAT" && event.reply.code < 502;
        break;
      case "closed":
        this.#closed = true;
        this.sentAhead = event.cause === "sent-ahead";
        break;
      default:
    }
    this.story.push(inShort(event));
  }
}

/** What a driver acts on; the replies are compared anyway. */
function inShort(event: ServerEvent): string {
  switch (event.kind) {
    case "mail":
      return `mail ${event.reversePath?.localPart} ${event.reversePath?.domainKey} ${event.parameters.size}`;
    case "recipient":
      return `recipient ${event.forwardPath.localPart} ${event.forwardPath.domainKey} ${event.parameters.originalRecipient}`;
    case "content-begin":
      return `content-begin ${event.via} ${event.body} ${event.recipients}`;
    case "refused":
    case "content-refused":
      return `${event.kind} ${event.reply.code}`;
    case "closed":
      return `closed ${event.cause}`;
    default:
      return event.kind;
  }
}

function converse(chosen: ServerProtocolSettings, start: Buffer, pieces: Iterable<Buffer>): Session {
  const session = new Session(chosen);
  if (start.length > 0) session.send(start);
  for (const piece of pieces) session.send(piece);
  session.end();
  return session;
}

const core: FuzzTarget = {
  name: "server-core",
  family: "server core",
  seeds: () =>
    texts(
      "\0\0EHLO x\r\nMAIL FROM:<a@b.test> SIZE=10 BODY=8BITMIME\r\nRCPT TO:<c@d.test> NOTIFY=NEVER\r\nDATA\r\nA: b\r\n\r\n..x\r\n.\r\nQUIT\r\n",
      "\x01\x02BDAT 5 LAST\r\nA: b\n\r\nRSET\r\nQUIT\r\n",
      "\x02\0EHLO x\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<>\r\nRCPT TO:<no@d.test>\r\nRCPT TO:<Postmaster>\r\nDATA\r\n.\r\n",
      "\x03\x03Subject: x\r\n\r\nbare\nline\r\n.\r\nNOOP x\r\nVRFY y\r\nEXPN z\r\nHELP\r\n",
      "\x04\x06YQ==\r\nYg==\r\n",
      "\x05\x07NOOP\r\nEHLO x\r\n",
      "\x01\x02DATA now\r\nSubject: x\r\n\r\nMAIL FROM:<a@b.test>\r\n.\r\n",
      "\0\x03a\nb\r\n.\r\nMAIL FROM:<a@b.test>\r\n",
      "\0\x02BDAT 5x\r\nRSET\r\n",
      "\x06\x02DATA\r\nx\r\n.\r\nMAIL FROM:<a@b.test> SMTPUTF8 RET=HDRS ENVID=x\r\nRCPT TO:<\xc3\xa9@d.test> ORCPT=rfc822;x\r\n",
    ),
  words: [
    "EHLO x\r\n", "HELO x\r\n", "LHLO x\r\n", "MAIL FROM:<a@b.test>\r\n", "MAIL FROM:<>", "MAIL FROM:<no@x.test>\r\n", "RCPT TO:<c@d.test>\r\n", "RCPT TO:<no@d.test>\r\n",
    "DATA\r\n", "\r\n.\r\n", ".\r\n", "..", "BDAT 5\r\n", "BDAT 3 LAST\r\n", "BDAT 0 LAST\r\n", "BDAT 700\r\n", "BDAT 99999999999999999999\r\n", "RSET\r\n", "NOOP\r\n", "QUIT\r\n", "STARTTLS\r\n",
    "AUTH PLAIN\r\n", "AUTH PLAIN AGEAYg==\r\n", "AUTH LOGIN =\r\n", "*\r\n", "YQ==\r\n", "VRFY x\r\n", "EXPN x\r\n", "HELP\r\n", " SIZE=13", " SIZE=601", " BODY=BINARYMIME", " BODY=7BIT", " SMTPUTF8", " NOTIFY=SUCCESS,DELAY",
    " ORCPT=rfc822;a+40b", " RET=FULL", " ENVID=x", " AUTH=<>", "\r", "\n", "\r\n", "\r\r\n", "\n.\n", "\n.\r\n", "\r\n.\n", "\0", " ", "\xff", "\xc3\xa9", "<", ">", "\x16\x03", "GET / HTTP/1.1\r\n",
  ], // prettier-ignore
  bytesMax: 1500,
  stretchMax: 256 * 1024,
  run(input) {
    const chosen = settings[(input[0] ?? 0) % settings.length] ?? base;
    const start = starts[(input[1] ?? 0) % starts.length] ?? Buffer.alloc(0);
    const rest = input.subarray(2);
    // A driver stops reading a socket whose octets wait; here they are all there at once.
    const whole = converse(chosen, start, inBlocks(rest));
    const cut = converse(chosen, start, inPieces(rest));
    // What came early is told by when it came.
    if (whole.handshakes > 0 || cut.handshakes > 0 || chosen.earlyTalk === "refuse") return;
    if (whole.sentAhead || cut.sentAhead) return;
    assert.equal(cut.output, whole.output);
    assert.deepEqual(cut.story, whole.story);
  },
};

function* inBlocks(input: Buffer): Generator<Buffer> {
  for (let at = 0; at < input.length; at += 8192) yield input.subarray(at, at + 8192);
}

/** Octet that is no UTF-8 and so in no command; the next one tells what happens. */
const interruption = 0xfe;

const interruptions: FuzzTarget = {
  name: "server-interruptions",
  family: "server core",
  seeds: () =>
    texts(
      "\0\x02\xfe\x00",
      "\0\x03Subject: x\r\n\xfe\x06more\r\n\xfe\x01.\r\n",
      "\0\x02\xfe\x04DATA\r\n\xfe\x01\xfe\x03",
      "\x01\x03\xfe\x02x\r\n.\r\nNOOP\r\n\xfe\x07RSET\r\n",
      "\0\0\xfe\x04EHLO x\r\nSTARTTLS\r\n\xfe\x05",
    ),
  words: [...core.words, ...Array.from({ length: 8 }, (_, what) => `\xfe${String.fromCharCode(what)}`)],
  bytesMax: 1000,
  stretchMax: 64 * 1024,
  run(input) {
    const chosen = settings[(input[0] ?? 0) % settings.length] ?? base;
    const session = new Session(chosen);
    session.send(starts[(input[1] ?? 0) % starts.length] ?? Buffer.alloc(0));
    for (let at = 2; at < input.length;) {
      const found = input.indexOf(interruption, at);
      const end = found === -1 ? input.length : found;
      // A driver with a verdict to give reads no more.
      for (let from = at; from < end; from += 8192) session.send(input.subarray(from, Math.min(end, from + 8192)));
      at = end + 2;
      if (found === -1) break;
      session.interrupt(input[end + 1] ?? 0);
      if ((input[end + 1] ?? 0) % 8 !== 4) session.decide();
    }
    session.decide();
    session.end();
  },
};

const commands: FuzzTarget = {
  name: "command-lines",
  family: "commands",
  seeds: () =>
    texts(
      "MAIL FROM:<a@b.test> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+20b AUTH=<>",
      "RCPT TO:<@a.test,@b.test:\"q\\\"d\"@[IPv6:2001:db8::1]> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;a+40b",
      "RCPT TO:<c@d.test> ORCPT=utf-8;\\x{E9}@d.test",
      "AUTH PLAIN AGEAYg==",
      "BDAT 1000 LAST",
      "EHLO [192.0.2.1]",
    ), // prettier-ignore
  words: [
    "MAIL FROM:", "RCPT TO:", "mail from:", "<>", "<", ">", "@", "\"", "\\", ":", ",", ".", "..", "[", "]", "IPv6:", "1.2.3.4", "::1", "=", "+", "+2B", "+0D", "+g0", ";", " ", "  ", "\t", "\0", "\r", "\n", "\xff", "\xc3\xa9",
    "\xf0\x9f\x98\x80", "xn--", "SIZE=", "BODY=", "SMTPUTF8", "RET=", "ENVID=", "AUTH=", "NOTIFY=", "NEVER", "SUCCESS", "ORCPT=", "rfc822;", "utf-8;", "\\x{", "}", "LAST", "0", "99999999999999999999", "Postmaster",
  ], // prettier-ignore
  bytesMax: 2048,
  stretchMax: 64 * 1024,
  run(input) {
    const line = input.toString("utf8");
    const { verb, argument: given } = parseCommand(line);
    assert.equal(given, given.replace(/^[ \t]+/, ""));
    const argument = withoutBlanksAfterColon(given);
    assert.doesNotMatch(argument, /^[^:]*:[ \t]/);
    const chunk = parseChunk(argument);
    if (chunk !== undefined) assert.ok(Number.isSafeInteger(chunk.size) && chunk.size >= 0);
    const text = pathTextOf(argument, "FROM:");
    if (text !== undefined) splitParameters(text);
    const hello = parseHello("EHLO", argument);
    if ("kind" in hello) assert.match(hello.name, /^[^\0-\x1f\x7f-\x9f]{1,255}$/);
    for (const completesAddresses of [false, true])
      checkPaths(argument, { ...base, completesAddresses, messageBytesMax: 1000 });
    const login = parseAuth(argument, ["PLAIN"], ["PLAIN"]);
    if ("kind" in login) assert.equal(login.mechanism, "PLAIN");
    const octets = decodeBase64(argument);
    if (octets !== undefined) assert.equal(Buffer.from(octets).toString("base64"), argument);
    assert.ok(verb === undefined || line.toUpperCase().startsWith(verb));
  },
};

function checkPaths(argument: string, chosen: ServerProtocolSettings): void {
  const mail = parseMail(argument, chosen, "active");
  if ("code" in mail) assert.ok(mail.code >= 500 && mail.code < 560);
  else {
    assert.ok((mail.parameters.size ?? 0) <= 1000);
    for (const value of [mail.parameters.envelopeId, mail.parameters.auth]) {
      assert.ok(value === undefined || value === "<>" || isPrintableXtext(value));
    }
  }
  if ("kind" in mail && mail.reversePath !== null) assert.ok(formatMailbox(mail.reversePath).includes("@"));
  const recipient = parseRecipient(argument, { smtpUtf8: true }, chosen);
  if ("code" in recipient) assert.ok(recipient.code >= 500 && recipient.code < 560);
  else {
    const { notify = [] } = recipient.parameters;
    assert.ok(!notify.includes("NEVER") || notify.length === 1);
    assert.ok(!/[\0-\x20\x7f]/.test(recipient.parameters.originalRecipient ?? ""));
  }
}

export const serverTargets: readonly FuzzTarget[] = [core, interruptions, commands];
