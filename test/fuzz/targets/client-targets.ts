/** The client core against peers that answer with anything, in every phase. */
import assert from "node:assert/strict";
import { parseCapabilities } from "../../../src/smtp/client/capabilities.ts";
import { ClientProtocol } from "../../../src/smtp/client/protocol.ts";
import { failureText } from "../../../src/smtp/client/failure.ts";
import type { ClientEvent } from "../../../src/smtp/client/event.ts";
import { standardTimeouts } from "../../../src/smtp/client/timeouts.ts";
import type { RecipientResult } from "../../../src/smtp/client/recipient-results.ts";
import { replyText } from "../../../src/smtp/reply-reader.ts";
import { texts } from "../seeds.ts";
import { inPieces, type FuzzTarget } from "../target.ts";

const content = Buffer.from("Subject: x\r\n\r\n.dot\r\nend\r\n");
const recipients = [
  { address: "ann@example.org", notify: ["FAILURE" as const], originalRecipient: "utf-8;\u00e9@d.test" },
  { address: '"b b"@example.org' },
  { address: "c@example.org" },
];
/** The second octet of an input chooses what the peer has said already. */
const ehlo =
  "250-mx.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-AUTH PLAIN LOGIN\r\n";
const starts = [
  "",
  "220 mx.test\r\n",
  `220 mx.test\r\n${ehlo}250 HELP\r\n`,
  `220 mx.test\r\n${ehlo}250 CHUNKING\r\n`,
  "220 mx.test\r\n250-mx.test\r\n250-CHUNKING\r\n250 AUTH LOGIN\r\n",
  "220 mx.test\r\n250 mx.test\r\n",
  "220 mx.test\r\n250-mx.test\r\n250 STARTTLS\r\n220 go\r\n",
  `220 mx.test\r\n${ehlo}250 HELP\r\n235 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n`,
].map((text) => Buffer.from(text));

/** What goes out is commands of ours and content, whatever came in. */
const commands =
  /^(?:(?:EHLO|HELO|LHLO) our\.test\r\n|STARTTLS\r\n|AUTH (?:PLAIN|LOGIN)[A-Za-z0-9+/= ]*\r\n|[A-Za-z0-9+/]+=*\r\n|\*\r\n|MAIL FROM:<bob@our\.test>[ -~\u0080-\u00ff]*\r\n|RCPT TO:<[ -~]*>[ -~\u0080-\u00ff]*\r\n|DATA\r\n|BDAT \d+(?: LAST)?\r\n|Subject: x\r\n\r\n|\.{1,2}dot\r\nend\r\n|\.\r\n|RSET\r\n|QUIT\r\n)*$/;

/** In the input, between two replies: they come in one segment, the second one ahead of what it answers. */
const together = 0x1f;

/**
 * The peer's segments: each reply is one, unless {@link TOGETHER} stands behind it. So most inputs are a conversation in
 * which each side waits for the other, and one octet makes any reply come too early.
 */
function segments(input: Buffer): Buffer[] {
  const found: Buffer[] = [];
  let pending: Buffer[] = [];
  for (let at = 0; at < input.length;) {
    const lineEnd = input.indexOf(0x0a, at);
    const end = lineEnd < 0 ? input.length : lineEnd + 1;
    const more = input[at + 3] === 0x2d;
    pending.push(input.subarray(at, end));
    at = end;
    if (input[at] === together) at++;
    else if (!more || at === input.length) {
      found.push(Buffer.concat(pending));
      pending = [];
    }
  }
  return found;
}

/** A driver that goes the whole way: greeting, EHLO, STARTTLS, login, two transactions, QUIT. */
class Driver {
  readonly #core: ClientProtocol;
  readonly story: string[] = [];
  readonly #streams: boolean;
  output = "";
  /** What had left before the segment that is being read: only that can have been answered by it. */
  #answerable = "";
  handshakes = 0;
  #transactions = 0;
  #owed = 0;
  #ended = false;
  #loggedIn = false;
  #encrypted = false;

  constructor(dialect: "smtp" | "lmtp", streams: boolean) {
    this.#streams = streams;
    this.#core = new ClientProtocol({
      dialect,
      heloName: "our.test",
      timeouts: standardTimeouts,
      observe: (_, text) => assert.ok(text.length <= 70_000),
    });
    this.#core.greet(0);
    this.#run();
  }

  receive(bytes: Buffer): void {
    if (this.#ended) return;
    this.#answerable = this.output;
    this.#core.receive(bytes, 0);
    this.#run();
  }

  /** How it ends when the peer says no more: it closes, the network breaks, it is silent, or our side gives up. */
  end(how: number): void {
    if (!this.#ended && how === 1) this.#core.endOfStream("reset by peer", 0);
    // A drained output is progress, and so begins the wait anew.
    if (!this.#ended && how === 2) {
      this.#core.outputDrained(1);
      this.#core.handleDeadline(this.#core.deadline() ?? 0);
    }
    if (!this.#ended && how === 3) {
      this.#core.abandon({ kind: "lost", command: "STARTTLS", detail: "the handshake failed" });
    }
    this.#run();
    // A server that refused us could still be told QUIT.
    if (!this.#core.closed) this.#core.endOfStream(undefined, 0);
    this.#run();
    assert.ok(this.#ended && this.#core.closed, "the end of the stream ends the session");
    assert.equal(this.#owed, 0, "every transaction has its results");
    assert.equal(this.#core.deadline(), undefined, "nothing is awaited any more");
    assert.match(this.output, commands);
  }

  #run(): void {
    for (let event = this.#core.nextEvent(); event !== undefined; event = this.#core.nextEvent()) {
      assert.ok(!this.#ended, "nothing follows the end");
      this.#follow(event);
      this.#take();
    }
    this.#take();
    if (this.#core.closed) this.#ended = true;
  }

  #take(): void {
    const output = this.#core.takeOutput();
    if (output !== undefined) this.output += Buffer.from(output).toString("latin1");
  }

  #follow(event: ClientEvent): void {
    this.story.push(inShort(event));
    switch (event.kind) {
      case "greeted":
        return this.#core.hello(0);
      case "hello-done":
        if (this.#core.capabilities.startTls && !this.#encrypted) return this.#core.startTls(0);
        return this.#logIn();
      case "start-tls":
        this.handshakes++;
        this.#encrypted = true;
        this.#core.tlsEstablished(0);
        return this.#core.hello(0);
      case "tls-refused":
        return this.#logIn();
      case "authenticated":
        assert.match(
          this.#answerable,
          /AUTH PLAIN AHUAcA==\r\n|dQ==\r\ncA==\r\n/,
          "a login is told after the credentials",
        );
        return this.#transact();
      case "authentication-failed":
        return this.#transact();
      case "send-content":
        while (this.#core.wantsContent && this.#sent < content.length) {
          this.#core.content(content.subarray(this.#sent, this.#sent + 14), 0);
          this.#sent += 14;
        }
        return undefined;
      case "transaction-done":
        assert.equal(event.results.length, recipients.length, "one result for each recipient");
        this.#owed--;
        if (event.results.some(({ kind }) => kind === "accepted")) this.#contentLeftBefore();
        if (this.#core.closed) return undefined;
        return this.#transactions < 2 && this.#core.ready ? this.#transact() : this.#core.quit(0);
      case "quit-done":
      case "failed":
        this.#ended = true;
        return undefined;
      default:
        return event satisfies never;
    }
  }

  /** Of each transaction, at most one content leaves; an acceptance is worth something only behind it. */
  #contentLeftBefore(): void {
    const contents = this.#answerable.split("dot\r\nend\r\n").length - 1;
    assert.ok(contents > this.#contentsAccepted, "nothing is accepted before it was sent");
    this.#contentsAccepted = contents;
  }

  #sent = 0;
  #contentsAccepted = 0;

  #logIn(): void {
    if (this.#loggedIn || this.#core.capabilities.auth.length === 0) return this.#transact();
    this.#loggedIn = true;
    return this.#core.authenticate({ username: "u", password: "p" }, 0);
  }

  #transact(): void {
    this.#transactions++;
    this.#owed++;
    this.#sent = 0;
    const envelope = {
      reversePath: "bob@our.test",
      recipients,
      body: "8BITMIME",
      smtpUtf8: false,
      size: content.length,
      ret: "HDRS",
      envelopeId: "x+20y",
    } as const;
    const whole = { kind: "whole", parts: [content.subarray(0, 14), content.subarray(14)] } as const;
    this.#core.transact({ envelope, content: this.#streams ? { kind: "stream" } : whole }, 0);
  }
}

function inShort(event: ClientEvent): string {
  switch (event.kind) {
    case "transaction-done":
      return event.results
        .map((result) => `${result.kind} ${result.kind === "broken" ? brokenInShort(result) : replyText(result.reply)}`)
        .join("\n");
    case "failed": {
      const text = failureText(event.failure);
      assert.doesNotMatch(text, /[\0-\x1f\x7f]/);
      return `failed ${event.failure.kind}`;
    }
    case "greeted":
      return `greeted ${replyText(event.reply)}`;
    default:
      return event.kind;
  }
}

function brokenInShort({ failure, contentSent }: Extract<RecipientResult, { readonly kind: "broken" }>): string {
  return `${failure.kind}${contentSent ? " sent" : ""}`;
}

function converse(input: Buffer, cut: (segment: Buffer) => Iterable<Buffer>): Driver {
  const kind = input[0] ?? 0;
  const driver = new Driver((kind & 1) === 0 ? "smtp" : "lmtp", (kind & 2) !== 0);
  for (const segment of segments(starts[(input[1] ?? 0) % starts.length] ?? content)) driver.receive(segment);
  for (const segment of segments(input.subarray(2))) for (const piece of cut(segment)) driver.receive(piece);
  driver.end((kind >> 2) & 3);
  const responses = driver.output.match(/^(?:\*|dQ==|cA==|AHUAcA==)\r$/gm) ?? [];
  assert.ok(responses.length <= 3, "challenges are answered a bounded number of times");
  return driver;
}

const core: FuzzTarget = {
  name: "client-core",
  family: "client core",
  seeds: () =>
    texts(
      "\x00\x00220 mx.test\r\n250-x\r\n250-STARTTLS\r\n250 AUTH LOGIN\r\n220 go\r\n",
      "\x01\x02235 2.7.0 ok\r\n250 2.1.0 ok\r\n250 2.1.5 ok\r\n550 5.1.1 no\r\n452 4.5.3 too many\r\n354 go\r\n250 2.0.0 ok\r\n451 4.3.0 x\r\n",
      "\x02\x03535 no\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n221 bye\r\n",
      "\x03\x04334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n",
      "\x00\x05250 ok\r\n250 ok\r\n550 5.7.1 x\r\n552 y\r\n354\r\n250-a\r\n250 b\r\n421 4.3.2 bye\r\n",
      "\x00\x06250-x\r\n250 LIMITS RCPTMAX=1 MAILMAX=2\r\n",
      "\x00\x07221 bye\r\n",
      "\x00\x05250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n\x1f250 kept\r\n",
      "\x02\x05250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n\x1f554 no\r\n",
      "\x01\x02535 no\r\n250 ok\r\n\x1f250 ok\r\n\x1f250 ok\r\n\x1f250 ok\r\n\x1f354 go\r\n\x1f250 kept\r\n",
      "\x00\x04334 YQ==\r\n334 YQ==\r\n334 YQ==\r\n334 YQ==\r\n334 YQ==\r\n",
    ),
  words: [
    "\x1f", "220 x\r\n", "250 ok\r\n", "250-ok\r\n", "250\r\n", "250", "354 go\r\n", "354-\r\n", "334 YQ==\r\n", "235 ok\r\n", "221 bye\r\n", "421 4.3.2 bye\r\n", "450 4.2.0 x\r\n", "452 4.5.3 x\r\n", "452 4.2.2 x\r\n", "500 x\r\n", "502 x\r\n",
    "550 5.1.1 no\r\n", "552 x\r\n", "554 5.7.1 no\r\n", "199 x\r\n", "600 x\r\n", "2500 x\r\n", "25", "\r\n", "\n", "\r", "-", " ", "\0", "\xff", "\xe2\x80\xae", "5.1.10 ", "2.0.0", "9.9.9", "250-PIPELINING\r\n", "250-CHUNKING\r\n", "250-BINARYMIME\r\n", "250-STARTTLS\r\n",
    "250-SIZE 10\r\n", "250-SIZE 99999999999999999999\r\n", "250-AUTH=LOGIN PLAIN\r\n", "250 LIMITS RCPTMAX=1 MAILMAX=0\r\n", "250-DSN\r\n", "250-SMTPUTF8\r\n", "250 8BITMIME\r\n",
  ], // prettier-ignore
  bytesMax: 3000,
  stretchMax: 256 * 1024,
  run(input) {
    const whole = converse(input, (segment) => [segment]);
    const cut = converse(input, inPieces);
    // What comes ahead of its turn is told by when it came.
    if (input.includes(together) || whole.story.some((event) => event.includes("protocol-error"))) return;
    assert.equal(cut.output, whole.output);
    assert.deepEqual(cut.story, whole.story);
  },
};

const capabilities: FuzzTarget = {
  name: "peer-capabilities",
  family: "client core",
  seeds: () => texts("mx\nSIZE 1000\nAUTH PLAIN\nAUTH=LOGIN\nLIMITS RCPTMAX=1 MAILMAX=2 X=y\nBINARYMIME\nCHUNKING"),
  words: [
    "\n", " ", "=", "-", "SIZE ", "AUTH ", "LIMITS ", "RCPTMAX=", "0", "00", "99999999", ";", "\t", "\xff", "CHUNKING",
  ], // prettier-ignore
  bytesMax: 1024,
  stretchMax: 64 * 1024,
  run(input) {
    const peer = parseCapabilities(input.toString("utf8").split("\n"));
    assert.ok(peer.sizeMax === undefined || (peer.size && Number.isSafeInteger(peer.sizeMax) && peer.sizeMax > 0));
    assert.ok(!peer.binaryMime || peer.chunking);
    for (const limit of [peer.limits.recipientsMax, peer.limits.transactionsMax]) {
      assert.ok(limit === undefined || (limit >= 1 && limit <= 999_999));
    }
    assert.equal(new Set(peer.auth).size, peer.auth.length);
  },
};

export const clientTargets: readonly FuzzTarget[] = [core, capabilities];
