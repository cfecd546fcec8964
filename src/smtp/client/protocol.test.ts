import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { ClientProtocol } from "./protocol.ts";
import { failureText } from "./failure.ts";
import type { ClientEvent } from "./event.ts";
import { standardTimeouts } from "./timeouts.ts";
import type { OutgoingEnvelope } from "./commands.ts";
import type { MailObject } from "./transaction.ts";

const fullEhlo = [
  "250-mx.test",
  "250-PIPELINING",
  "250-SIZE 1000000",
  "250-8BITMIME",
  "250-SMTPUTF8",
  "250-DSN",
  "250 ENHANCEDSTATUSCODES",
];
const chunkedEhlo = [...fullEhlo.slice(0, -1), "250-CHUNKING", "250-BINARYMIME", "250 ENHANCEDSTATUSCODES"];
const plainEhlo = ["250 mx.test"];
const sentContent = Buffer.from("Subject: x\r\n\r\n.dot\r\n");

/** A core with the peer's lines given by hand; time stands still unless a test moves it. */
class Dialogue {
  readonly observed: string[] = [];
  readonly core: ClientProtocol;
  now = 0;

  constructor(dialect: "smtp" | "lmtp" = "smtp") {
    this.core = new ClientProtocol({
      dialect,
      heloName: "our.test",
      timeouts: standardTimeouts,
      observe: (direction, text) => this.observed.push(`${direction} ${text}`),
    });
  }

  static ready(ehlo: readonly string[], dialect: "smtp" | "lmtp" = "smtp"): Dialogue {
    const dialogue = new Dialogue(dialect);
    dialogue.core.greet(0);
    assert.equal(dialogue.peer("220 mx.test")[0]?.kind, "greeted");
    dialogue.core.hello(0);
    dialogue.sent();
    assert.equal(dialogue.peer(...ehlo)[0]?.kind, "hello-done");
    return dialogue;
  }

  /** The peer's lines arrive together; what the core says to that. */
  peer(...lines: readonly string[]): ClientEvent[] {
    this.core.receive(Buffer.from(lines.map((line) => `${line}\r\n`).join("")), this.now);
    return this.events();
  }

  events(): ClientEvent[] {
    const events: ClientEvent[] = [];
    for (let event = this.core.nextEvent(); event !== undefined; event = this.core.nextEvent()) {
      events.push(event);
    }
    return events;
  }

  sent(): string {
    return Buffer.from(this.core.takeOutput() ?? []).toString();
  }

  transact(envelope: Partial<OutgoingEnvelope> = {}, content: MailObject["content"] = whole()): string {
    const recipients = [{ address: "ann@example.org" }];
    this.core.transact(
      {
        envelope: {
          reversePath: "bob@our.test",
          recipients,
          body: "7BIT",
          smtpUtf8: false,
          size: sentContent.length,
          ...envelope,
        },
        content,
      },
      this.now,
    );
    return this.sent();
  }
}

function whole(): MailObject["content"] {
  return { kind: "whole", parts: [sentContent] };
}

function addresses(count: number): { address: string }[] {
  return Array.from({ length: count }, (_, index) => ({ address: `user${index}@example.org` }));
}

/** Results of the one transaction-done among the events, as short texts. */
function verdicts(events: readonly ClientEvent[]): string[] {
  const done = events.find((event) => event.kind === "transaction-done");
  assert.ok(done?.kind === "transaction-done", JSON.stringify(events));
  return done.results.map((result) => {
    switch (result.kind) {
      case "accepted":
      case "too-many":
        return `${result.kind} ${result.reply.code}`;
      case "refused":
        return `refused ${result.command} ${result.reply.code}`;
      case "broken":
        return `broken ${result.failure.kind} ${result.failure.command}${result.contentSent ? " sent" : ""}`;
      default:
        return result satisfies never;
    }
  });
}

test("with PIPELINING the transaction is one flight up to DATA, the content the second", () => {
  const dialogue = Dialogue.ready(fullEhlo);
  assert.equal(
    dialogue.transact(),
    `MAIL FROM:<bob@our.test> SIZE=${sentContent.length}\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n`,
  );
  assert.deepEqual(dialogue.peer("250 ok", "250 ok", "354 go"), []);
  assert.equal(dialogue.sent(), "Subject: x\r\n\r\n..dot\r\n.\r\n");
  assert.deepEqual(verdicts(dialogue.peer("250 2.0.0 queued")), ["accepted 250"]);
  assert.equal(dialogue.core.ready, true);
});

test("SMTPC-018: with CHUNKING the whole transaction is one flight, dots as they are", () => {
  const dialogue = Dialogue.ready(chunkedEhlo);
  assert.equal(
    dialogue.transact(),
    `MAIL FROM:<bob@our.test> SIZE=20\r\nRCPT TO:<ann@example.org>\r\nBDAT 20 LAST\r\n${sentContent.toString()}`,
  );
  assert.deepEqual(verdicts(dialogue.peer("250 ok", "250 ok", "250 queued")), ["accepted 250"]);
});

test("trap 15: each message on a connection chooses BDAT afresh", () => {
  const dialogue = Dialogue.ready(chunkedEhlo);
  for (let message = 0; message < 3; message++) {
    assert.match(dialogue.transact(), /^MAIL [^]*BDAT 20 LAST\r\nSubject/);
    assert.deepEqual(verdicts(dialogue.peer("250 ok", "250 ok", "250 queued")), ["accepted 250"]);
  }
});

test("without extensions each command waits for its reply and has no parameters", () => {
  const dialogue = Dialogue.ready(plainEhlo);
  const dsn = { ret: "FULL", envelopeId: "e1" } as const;
  assert.equal(
    dialogue.transact({ ...dsn, body: "8BITMIME", recipients: addresses(2) }),
    "MAIL FROM:<bob@our.test>\r\n",
  );
  dialogue.peer("250 ok");
  assert.equal(dialogue.sent(), "RCPT TO:<user0@example.org>\r\n");
  dialogue.peer("250 ok");
  assert.equal(dialogue.sent(), "RCPT TO:<user1@example.org>\r\n");
  dialogue.peer("550 5.1.1 no");
  assert.equal(dialogue.sent(), "DATA\r\n");
  dialogue.peer("354 go");
  assert.match(dialogue.sent(), /\r\n\.\r\n$/);
  assert.deepEqual(verdicts(dialogue.peer("250 ok")), ["accepted 250", "refused RCPT 550"]);
});

test("SMTPC-020: EHLO refused with 5yz leads to HELO, and then no extension exists", () => {
  const dialogue = new Dialogue();
  dialogue.core.greet(0);
  dialogue.peer("220 hello");
  dialogue.core.hello(0);
  assert.equal(dialogue.sent(), "EHLO our.test\r\n");
  dialogue.peer("502 unknown");
  assert.equal(dialogue.sent(), "HELO our.test\r\n");
  const [event] = dialogue.peer("250-mx.test", "250 PIPELINING");
  assert.ok(event?.kind === "hello-done" && !event.capabilities.extended && !event.capabilities.pipelining);
  assert.equal(dialogue.transact({ body: "8BITMIME", smtpUtf8: true, ret: "HDRS" }), "MAIL FROM:<bob@our.test>\r\n");
});

test("LMTP says LHLO, and has nothing to fall back on", () => {
  const dialogue = new Dialogue("lmtp");
  dialogue.core.greet(0);
  dialogue.peer("220 hello");
  dialogue.core.hello(0);
  assert.equal(dialogue.sent(), "LHLO our.test\r\n");
  const [event] = dialogue.peer("500 unknown");
  assert.ok(event?.kind === "failed" && failureText(event.failure) === "LHLO: 500 unknown");
});

test("SMTPC-008: after a greeting that refuses, QUIT is the only command; after 421 there is none", () => {
  for (const code of [521, 554, 421, 450]) {
    const dialogue = new Dialogue();
    dialogue.core.greet(0);
    const [event] = dialogue.peer(`${code} no mail here`);
    assert.ok(event?.kind === "failed" && event.failure.kind === "refused" && event.failure.reply.code === code);
    assert.equal(dialogue.sent(), "");
    assert.deepEqual([dialogue.core.closed, dialogue.core.mayQuit], code === 421 ? [true, false] : [false, true]);
    if (code === 421) continue;
    assert.throws(() => dialogue.core.hello(0), /not possible while refused/);
    dialogue.core.quit(0);
    assert.equal(dialogue.sent(), "QUIT\r\n");
    assert.deepEqual(dialogue.peer("221 bye"), [{ kind: "quit-done" }]);
    assert.equal(dialogue.core.closed, true);
  }
});

test("a server that refused EHLO and HELO is told QUIT, whatever else it says, and is told of once", () => {
  const dialogue = new Dialogue();
  dialogue.core.greet(0);
  dialogue.peer("220 hello");
  dialogue.core.hello(0);
  dialogue.peer("550 no EHLO from you");
  const [event] = dialogue.peer("550 no HELO from you");
  assert.ok(event?.kind === "failed" && failureText(event.failure) === "HELO: 550 no HELO from you");
  assert.deepEqual(dialogue.peer("250 no, stay"), []);
  assert.equal(dialogue.core.mayQuit, true);
  assert.deepEqual(dialogue.peer("nonsense"), []);
  assert.deepEqual([dialogue.core.mayQuit, dialogue.core.closed], [false, true]);
});

test("the peer's own words are kept when what it says is no reply, or comes at the wrong time", () => {
  const cases: readonly (readonly [peer: string, detail: string])[] = [
    ["You are blocked, see https://bl.test/1", 'no reply code in "You are blocked, see https://bl.test/1"'],
    ["220-one\r\n554 blocked: listed", 'a reply changes from 220 to 554: "220 one 554 blocked: listed"'],
    ["354 go on", '"354 go on" is no answer to greeting'],
  ];
  for (const [peer, detail] of cases) {
    const dialogue = new Dialogue();
    dialogue.core.greet(0);
    const [event] = dialogue.peer(peer);
    assert.ok(
      event?.kind === "failed" && failureText(event.failure).includes(detail),
      `${peer}: ${JSON.stringify(event)}`,
    );
  }
  const cut = new Dialogue();
  cut.core.greet(0);
  cut.peer("554-5.7.1 Listed by bl.test");
  cut.core.receive(Buffer.from("554 see https://bl"), 0);
  cut.core.endOfStream(undefined, 0);
  const event = cut.core.nextEvent();
  assert.ok(event?.kind === "failed" && event.failure.kind === "lost");
  assert.equal(
    event.failure.detail,
    'the connection was closed within a reply to greeting: "554 5.7.1 Listed by bl.test 554 see https://bl"',
  );
});

test("what is quoted of a peer is one printable line of bounded length", () => {
  const dialogue = new Dialogue();
  dialogue.core.greet(0);
  const [event] = dialogue.peer(`x\u001b[31m\u0000${"y".repeat(5_000)}`);
  assert.ok(event?.kind === "failed" && event.failure.kind === "protocol-error");
  assert.match(event.failure.detail, /^no reply code in "x\?\[31m\?y+…?"$/);
  assert.ok(event.failure.detail.length < 330);
});

test("SMTPC-011: no content leaves without a 354, in either kind of flight", () => {
  for (const [answer, expected] of [
    ["250 ok", "broken protocol-error DATA"],
    ["451 later", "refused DATA 451"],
    ["554 no", "refused DATA 554"],
  ] as const) {
    const pipelined = Dialogue.ready(fullEhlo);
    pipelined.transact();
    assert.deepEqual(verdicts(pipelined.peer("250 ok", "250 ok", answer)), [expected]);
    assert.equal(pipelined.sent(), "");
    assert.equal(pipelined.core.closed, answer.startsWith("2"));
  }
});

test("EXT-010: 354 without an accepted recipient gets no content", () => {
  const dialogue = Dialogue.ready(fullEhlo);
  dialogue.transact();
  assert.deepEqual(dialogue.peer("250 ok", "550 5.1.1 no", "354 go"), []);
  assert.equal(dialogue.sent(), ".\r\n");
  assert.deepEqual(verdicts(dialogue.peer("554 5.5.1 no recipients")), ["refused RCPT 550"]);
  assert.equal(dialogue.core.ready, true);

  const careless = Dialogue.ready(fullEhlo);
  careless.transact();
  careless.peer("250 ok", "550 5.1.1 no", "354 go");
  assert.deepEqual(verdicts(careless.peer("250 taken")), ["refused RCPT 550"]);
  assert.equal(careless.core.closed, true);
});

test("after a transaction that failed midway RSET goes first, in the same flight", () => {
  const dialogue = Dialogue.ready(fullEhlo);
  dialogue.transact();
  assert.deepEqual(verdicts(dialogue.peer("250 ok", "450 4.2.1 no", "503 5.5.1 no recipients")), ["refused RCPT 450"]);
  assert.match(dialogue.transact(), /^RSET\r\nMAIL FROM:<bob@our.test> [^]*DATA\r\n$/);
  dialogue.peer("250 reset", "250 ok", "250 ok", "354 go");
  dialogue.sent();
  assert.deepEqual(verdicts(dialogue.peer("250 ok")), ["accepted 250"]);
  assert.match(dialogue.transact(), /^MAIL /);
});

test("a refused one-flight BDAT leaves both sides in step", () => {
  const dialogue = Dialogue.ready(chunkedEhlo);
  dialogue.transact({ recipients: addresses(2) });
  const events = dialogue.peer("250 ok", "550 5.1.1 no", "550 5.1.1 no", "503 5.5.1 no recipients");
  assert.deepEqual(verdicts(events), ["refused RCPT 550", "refused RCPT 550"]);
  assert.match(dialogue.transact(), /^RSET\r\nMAIL /);
});

test("MAIL refused refuses the message, and what was pipelined is read to its end", () => {
  const dialogue = Dialogue.ready(fullEhlo);
  dialogue.transact({ recipients: addresses(2) });
  const events = dialogue.peer("550 5.7.1 no", "503 a", "503 b", "503 c");
  assert.deepEqual(verdicts(events), ["refused MAIL 550", "refused MAIL 550"]);
  assert.equal(dialogue.core.ready, true);
});

test("SMTPC-016 SMTPC-017: 452 and 552 after accepted recipients mean too many, before them what they say", () => {
  const dialogue = Dialogue.ready(fullEhlo);
  dialogue.transact({ recipients: addresses(5) });
  dialogue.peer(
    "250 ok",
    "452 4.3.1 full",
    "250 ok",
    "452 4.5.3 too many",
    "552 too many",
    "552 5.2.2 mailbox full",
    "354 go",
  );
  dialogue.sent();
  assert.deepEqual(verdicts(dialogue.peer("250 ok")), [
    "refused RCPT 452",
    "accepted 250",
    "too-many 452",
    "too-many 552",
    "refused RCPT 552",
  ]);
});

test("421 anywhere ends the session; verdicts given before it stay", () => {
  const dialogue = Dialogue.ready(fullEhlo);
  dialogue.transact({ recipients: addresses(3) });
  const events = dialogue.peer("250 ok", "550 5.1.1 no", "421 4.3.2 closing");
  assert.deepEqual(verdicts(events), ["refused RCPT 550", "refused RCPT 421", "refused RCPT 421"]);
  assert.equal(dialogue.core.closed, true);
});

test("SMTPC-012: a connection lost after the content says that it may have arrived", () => {
  const dialogue = Dialogue.ready(fullEhlo);
  dialogue.transact();
  dialogue.peer("250 ok", "250 ok", "354 go");
  dialogue.core.endOfStream("ECONNRESET", 0);
  assert.deepEqual(verdicts(dialogue.events()), ["broken lost end of data sent"]);

  const early = Dialogue.ready(chunkedEhlo);
  early.transact();
  early.core.endOfStream(undefined, 0);
  assert.deepEqual(verdicts(early.events()), ["broken lost MAIL"]);
});

test("LMTP-006: replies after the content count for their recipients; a loss touches only the rest", () => {
  const dialogue = Dialogue.ready(["250-mx", "250 PIPELINING"], "lmtp");
  dialogue.transact({ recipients: addresses(4) });
  dialogue.peer("250 ok", "250 ok", "550 5.1.1 no", "250 ok", "250 ok", "354 go");
  dialogue.sent();
  assert.deepEqual(dialogue.peer("250 2.0.0 kept", "452 4.2.2 full"), []);
  dialogue.core.endOfStream(undefined, 0);
  assert.deepEqual(verdicts(dialogue.events()), [
    "accepted 250",
    "refused RCPT 550",
    "refused end of data 452",
    "broken lost end of data sent",
  ]);
});

test("LMTP-004: BDAT LAST is answered once per accepted recipient, and once when there is none", () => {
  const dialogue = Dialogue.ready(["250-mx", "250-PIPELINING", "250 CHUNKING"], "lmtp");
  dialogue.transact({ recipients: addresses(2) });
  assert.deepEqual(verdicts(dialogue.peer("250 ok", "250 ok", "250 ok", "250 a", "550 b")), [
    "accepted 250",
    "refused end of data 550",
  ]);
  dialogue.transact({ recipients: addresses(1) });
  assert.deepEqual(verdicts(dialogue.peer("250 ok", "550 no", "503 none")), ["refused RCPT 550"]);
  assert.equal(dialogue.core.ready, true);
});

test("SMTPC-013: each wait has its own time-out, and progress begins the next", () => {
  const minute = 60_000;
  const dialogue = new Dialogue();
  const expectWait = (ms: number) => assert.equal(dialogue.core.deadline(), dialogue.now + ms);
  dialogue.core.greet(0);
  expectWait(5 * minute);
  dialogue.peer("220 hi");
  assert.equal(dialogue.core.deadline(), undefined);
  dialogue.core.hello(0);
  expectWait(5 * minute);
  dialogue.peer("250-mx", "250 PIPELINING");
  dialogue.now = 1000;
  dialogue.transact({}, { kind: "stream" });
  expectWait(5 * minute);
  dialogue.now = 2000;
  dialogue.peer("250 ok");
  expectWait(5 * minute);
  dialogue.peer("250 ok");
  expectWait(2 * minute);
  dialogue.peer("354 go");
  expectWait(3 * minute);
  dialogue.now = 50_000;
  dialogue.core.content(sentContent.subarray(0, 5), dialogue.now);
  expectWait(3 * minute);
  dialogue.core.content(sentContent.subarray(5), dialogue.now);
  expectWait(10 * minute);
  dialogue.now += 10 * minute;
  dialogue.core.handleDeadline(dialogue.now - 1);
  assert.deepEqual(dialogue.events(), []);
  dialogue.core.handleDeadline(dialogue.now);
  assert.deepEqual(verdicts(dialogue.events()), ["broken timed-out end of data sent"]);
});

test("SMTPC-013: a transaction that trickles for ever ends too", () => {
  const dialogue = Dialogue.ready(plainEhlo);
  dialogue.transact({ recipients: addresses(50) });
  while (!dialogue.core.closed) {
    dialogue.now += 4 * 60_000;
    dialogue.core.handleDeadline(dialogue.now);
    if (!dialogue.core.closed) dialogue.peer("250 ok");
    assert.ok(dialogue.now <= standardTimeouts.transactionMs + 4 * 60_000);
  }
  assert.match(verdicts(dialogue.events())[0] ?? "", /^broken timed-out RCPT/);
});

test("a stream over DATA is encoded piece by piece", () => {
  const dialogue = Dialogue.ready(fullEhlo);
  dialogue.transact({}, { kind: "stream" });
  assert.equal(dialogue.core.wantsContent, false);
  assert.deepEqual(dialogue.peer("250 ok", "250 ok", "354 go"), [{ kind: "send-content" }]);
  dialogue.core.content(sentContent.subarray(0, 14), 0);
  assert.equal(dialogue.sent(), "Subject: x\r\n\r\n");
  const tooMuch = Buffer.concat([sentContent.subarray(14), Buffer.from("x")]);
  assert.throws(() => dialogue.core.content(tooMuch, 0), /longer than its size/);
  assert.equal(dialogue.sent(), "");
  dialogue.core.content(sentContent.subarray(14), 0);
  assert.equal(dialogue.sent(), "..dot\r\n.\r\n");
  assert.throws(() => dialogue.core.content(Buffer.from("x"), 0), /no content is wanted while final/);
});

test("a stream over BDAT goes in chunks once a recipient was accepted, a few unanswered at a time", () => {
  const dialogue = Dialogue.ready(chunkedEhlo);
  assert.doesNotMatch(dialogue.transact({ size: 100 }, { kind: "stream" }), /BDAT/);
  assert.deepEqual(dialogue.peer("250 ok", "250 ok"), [{ kind: "send-content" }]);
  for (let chunk = 0; chunk < 8; chunk++) {
    assert.equal(dialogue.core.wantsContent, true);
    dialogue.core.content(Buffer.alloc(10, "x"), 0);
  }
  assert.equal(dialogue.core.wantsContent, false);
  assert.match(dialogue.sent(), /^(BDAT 10\r\nx{10}){8}$/);
  assert.deepEqual(dialogue.peer("250 ok", "250 ok"), [{ kind: "send-content" }, { kind: "send-content" }]);
  dialogue.core.content(Buffer.alloc(20, "x"), 0);
  assert.match(dialogue.sent(), /^BDAT 20 LAST\r\nx{20}$/);
  assert.deepEqual(verdicts(dialogue.peer(...Array.from({ length: 6 }, () => "250 ok"), "250 queued")), [
    "accepted 250",
  ]);
});

test("only content of up to 64 KiB leaves before a recipient was accepted", () => {
  for (const [size, leaves] of [
    [64 * 1024, true],
    [64 * 1024 + 1, false],
  ] as const) {
    const sent = Dialogue.ready(chunkedEhlo).transact({ size }, { kind: "whole", parts: [Buffer.alloc(size, "x")] });
    assert.equal(sent.includes(`BDAT ${size} LAST`), leaves);
  }
});

test("the answer to a chunk is not the answer to the last one, which left meanwhile", () => {
  const dialogue = Dialogue.ready(chunkedEhlo);
  dialogue.transact({ size: 20 }, { kind: "stream" });
  dialogue.peer("250 ok", "250 ok");
  dialogue.core.content(Buffer.alloc(10, "x"), 0);
  dialogue.core.receive(Buffer.from("25"), 0);
  assert.deepEqual(dialogue.events(), []);
  dialogue.core.content(Buffer.alloc(10, "x"), 0);
  assert.match(dialogue.sent(), /BDAT 10\r\nx{10}BDAT 10 LAST\r\nx{10}$/);
  assert.deepEqual(dialogue.peer("0 chunk"), []);
  assert.deepEqual(verdicts(dialogue.peer("250 queued")), ["accepted 250"]);
});

test("an answer to a chunk that was never sent is none", () => {
  const dialogue = Dialogue.ready(chunkedEhlo);
  dialogue.transact({ size: 20 }, { kind: "stream" });
  dialogue.peer("250 ok", "250 ok");
  assert.deepEqual(verdicts(dialogue.peer("250 eager")), ["broken protocol-error BDAT"]);
});

test("a chunk that is refused when the last one has left ends the connection, since nobody knows what follows", () => {
  const dialogue = Dialogue.ready(chunkedEhlo);
  dialogue.transact({ size: 20 }, { kind: "stream" });
  dialogue.peer("250 ok", "250 ok");
  dialogue.core.content(Buffer.alloc(10, "x"), 0);
  dialogue.core.content(Buffer.alloc(10, "x"), 0);
  assert.deepEqual(verdicts(dialogue.peer("552 5.3.4 too big")), ["refused BDAT 552"]);
  assert.equal(dialogue.core.closed, true);
});

test("RSET goes first wherever the server may still hold a transaction, and nowhere else", () => {
  const whole = { kind: "whole", parts: [sentContent] } as const;
  const cases = [
    [fullEhlo, whole, ["250 ok", "250 ok", "354 go", "451 later"], "RSET"],
    [chunkedEhlo, whole, ["250 ok", "550 no", "250 taken"], "RSET"],
    [chunkedEhlo, whole, ["250 ok", "250 ok", "250 queued"], "MAIL"],
    [chunkedEhlo, { kind: "stream" }, ["550 no", "503 first"], "MAIL"],
    [chunkedEhlo, { kind: "stream" }, ["250 ok", "550 no"], "RSET"],
    [plainEhlo, whole, ["550 no"], "MAIL"],
  ] as const;
  for (const [ehlo, content, replies, first] of cases) {
    const dialogue = Dialogue.ready(ehlo);
    dialogue.transact({}, content);
    for (const reply of replies) dialogue.peer(reply);
    assert.equal(dialogue.core.ready, true, replies.join());
    dialogue.sent();
    assert.ok(dialogue.transact({}, content).startsWith(first), replies.join());
  }
});

test("EHLO that is refused for now is not followed by HELO", () => {
  const dialogue = new Dialogue();
  dialogue.core.greet(0);
  dialogue.peer("220 hi");
  dialogue.core.hello(0);
  dialogue.sent();
  const [event] = dialogue.peer("450 4.7.1 later");
  assert.ok(event?.kind === "failed" && failureText(event.failure) === "EHLO: 450 4.7.1 later");
  assert.equal(dialogue.sent(), "");
});

test("output that goes out is progress, and TLS begins with nothing held back", () => {
  const dialogue = Dialogue.ready(["250-mx", "250 STARTTLS"]);
  dialogue.core.startTls(0);
  dialogue.sent();
  dialogue.core.outputHeld();
  dialogue.core.outputDrained(1000);
  assert.equal(dialogue.core.deadline(), 1000 + standardTimeouts.startTlsMs);
  dialogue.core.outputHeld();
  assert.deepEqual(dialogue.peer("220 go"), [{ kind: "start-tls" }]);
  dialogue.core.tlsEstablished(0);
  dialogue.core.hello(0);
  dialogue.peer(...plainEhlo);
  dialogue.transact();
  for (const reply of ["250 ok", "250 ok", "354 go"]) assert.deepEqual(dialogue.peer(reply), []);
  assert.deepEqual(verdicts(dialogue.peer("250 queued")), ["accepted 250"]);
});

test("a refused chunk stops the stream", () => {
  const dialogue = Dialogue.ready(chunkedEhlo);
  dialogue.transact({ size: 100 }, { kind: "stream" });
  dialogue.peer("250 ok", "250 ok");
  dialogue.core.content(Buffer.alloc(10, "x"), 0);
  dialogue.core.content(Buffer.alloc(10, "x"), 0);
  assert.deepEqual(dialogue.peer("552 5.3.4 too big"), []);
  assert.equal(dialogue.core.wantsContent, false);
  assert.deepEqual(verdicts(dialogue.peer("503 5.5.1 no")), ["refused BDAT 552"]);
  assert.equal(dialogue.core.ready, true);
});

test("a reply in the middle of DATA's content is a verdict, and the connection is given up", () => {
  const dialogue = Dialogue.ready(fullEhlo);
  dialogue.transact({ size: 1000 }, { kind: "stream" });
  dialogue.peer("250 ok", "250 ok", "354 go");
  dialogue.core.content(sentContent, 0);
  assert.deepEqual(verdicts(dialogue.peer("552 5.3.4 too big")), ["refused end of data 552"]);
  assert.equal(dialogue.core.closed, true);
});

test("SMTPC-019: content with a bare LF is given up before it leaves", () => {
  const dialogue = Dialogue.ready(fullEhlo);
  const bad = Buffer.from("a\n.\r\nMAIL FROM:<>\r\n");
  dialogue.transact({ size: bad.length }, { kind: "whole", parts: [bad] });
  assert.deepEqual(verdicts(dialogue.peer("250 ok", "250 ok", "354 go")), ["broken bare-line-end DATA"]);
  assert.equal(dialogue.sent(), "");
  assert.equal(dialogue.core.closed, true);
});

test("a whole content of another size than announced is an error of the caller before anything is said", () => {
  for (const ehlo of [fullEhlo, chunkedEhlo]) {
    const dialogue = Dialogue.ready(ehlo);
    for (const size of [sentContent.length - 1, sentContent.length + 1]) {
      assert.throws(
        () => dialogue.transact({ size }),
        new RegExp(`has ${sentContent.length} octets, the envelope says ${size}`),
      );
    }
    assert.equal(dialogue.sent(), "");
    assert.deepEqual([dialogue.core.ready, dialogue.core.transactions], [true, 0]);
  }
});

test("TLS-009, trap 8: octets after 220 to STARTTLS end the session, in one segment or in two", () => {
  const together = Dialogue.ready(["250-mx", "250 STARTTLS"]);
  together.core.startTls(0);
  assert.equal(together.sent(), "STARTTLS\r\n");
  const [event, ...more] = together.peer("220 go", "250-AUTH PLAIN", "250 X");
  assert.ok(event?.kind === "failed" && event.failure.kind === "protocol-error");
  assert.deepEqual(more, []);

  const apart = Dialogue.ready(["250-mx", "250 STARTTLS"]);
  apart.core.startTls(0);
  assert.deepEqual(apart.peer("220 go"), [{ kind: "start-tls" }]);
  const [failed] = apart.peer("250 X");
  assert.ok(failed?.kind === "failed" && failed.failure.kind === "protocol-error");
});

test("SMTPC-021: after TLS only the new EHLO answer counts", () => {
  const dialogue = Dialogue.ready(["250-mx", "250-SIZE 5", "250-DSN", "250-PIPELINING", "250 STARTTLS"]);
  dialogue.core.startTls(0);
  dialogue.sent();
  dialogue.peer("220 go");
  dialogue.core.tlsEstablished(0);
  assert.equal(dialogue.core.capabilities.size, false);
  dialogue.core.hello(0);
  assert.equal(dialogue.sent(), "EHLO our.test\r\n");
  dialogue.peer("250-mx", "250 8BITMIME");
  assert.equal(dialogue.transact({ ret: "FULL", body: "8BITMIME" }), "MAIL FROM:<bob@our.test> BODY=8BITMIME\r\n");
});

test("replies that nobody asked for end the session instead of answering the next command", () => {
  const greeted = new Dialogue();
  greeted.core.greet(0);
  assert.deepEqual(
    greeted.peer("220 hi", "250 eager").map(({ kind }) => kind),
    ["greeted", "failed"],
  );
  const idle = Dialogue.ready(fullEhlo);
  const [event] = idle.peer("421 4.3.2 shutting down");
  assert.ok(event?.kind === "failed" && event.failure.kind === "refused");
  assert.equal(idle.core.closed, true);

  const done = Dialogue.ready(fullEhlo);
  done.transact();
  done.peer("250 ok", "250 ok", "354 go");
  assert.deepEqual(
    done.peer("250 queued", "250 and more").map(({ kind }) => kind),
    ["transaction-done", "failed"],
  );
});

test("AUTH-014: after our login AUTH=<> goes to a peer that lists AUTH; passwords are not observed", () => {
  const dialogue = Dialogue.ready(["250-mx", "250 AUTH PLAIN LOGIN"]);
  dialogue.core.authenticate({ username: "u", password: "p" }, 0);
  assert.equal(dialogue.sent(), `AUTH PLAIN ${Buffer.from("\0u\0p").toString("base64")}\r\n`);
  assert.deepEqual(dialogue.peer("235 2.7.0 ok"), [{ kind: "authenticated" }]);
  assert.equal(dialogue.transact(), "MAIL FROM:<bob@our.test> AUTH=<>\r\n");
  assert.ok(!dialogue.observed.join("\n").includes(Buffer.from("\0u\0p").toString("base64")));
});

test("AUTH LOGIN answers both challenges; one too many is cancelled; a refusal is told", () => {
  const dialogue = Dialogue.ready(["250-mx", "250 AUTH=LOGIN"]);
  dialogue.core.authenticate({ username: "user", password: "secret" }, 0);
  assert.equal(dialogue.sent(), "AUTH LOGIN\r\n");
  dialogue.peer("334 VXNlcm5hbWU6");
  assert.equal(dialogue.sent(), `${Buffer.from("user").toString("base64")}\r\n`);
  dialogue.peer("334 UGFzc3dvcmQ6");
  assert.equal(dialogue.sent(), `${Buffer.from("secret").toString("base64")}\r\n`);
  dialogue.peer("334 more");
  assert.equal(dialogue.sent(), "*\r\n");
  const [event] = dialogue.peer("535 5.7.8 no");
  assert.ok(event?.kind === "authentication-failed" && event.reply?.code === 535);
});

test("AUTH PLAIN too long for one command is sent when asked for", () => {
  const dialogue = Dialogue.ready(["250-mx", "250 AUTH PLAIN"]);
  dialogue.core.authenticate({ username: "u", password: "p".repeat(400) }, 0);
  assert.equal(dialogue.sent(), "AUTH PLAIN\r\n");
  dialogue.peer("334 ");
  assert.ok(dialogue.sent().length > 500);
  assert.deepEqual(dialogue.peer("235 ok"), [{ kind: "authenticated" }]);
});

test("whatever a peer sends, every call is answered by one event and nothing is thrown", () => {
  const words = ["250 ok", "354 go", "421 bye", "550 5.1.1 no", "x", "", "250-a", "999 z", "220 go\r\n250 injected"];
  let seed = 7;
  const next = (): number => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648);
  for (let round = 0; round < 300; round++) {
    const dialogue = Dialogue.ready(round % 2 === 0 ? fullEhlo : chunkedEhlo, round % 3 === 0 ? "lmtp" : "smtp");
    dialogue.transact({ recipients: addresses(3) });
    let done = 0;
    for (let line = 0; line < 12; line++) {
      done += dialogue
        .peer(words[next() % words.length] ?? "")
        .filter(({ kind }) => kind === "transaction-done").length;
    }
    dialogue.core.endOfStream(undefined, 0);
    done += dialogue.events().filter(({ kind }) => kind === "transaction-done").length;
    assert.equal(done, 1);
  }
});

test("any octets, in any split, from each phase, end in events: nothing is thrown and nothing is answered twice", () => {
  const fragments = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.constantFrom("250 ok\r\n", "354 go\r\n", "220 x\r\n", "550-a\r\n", "334 \r\n", "235 ok\r\n", "\n"),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }) },
  );
  const phases: readonly ((core: ClientProtocol) => void)[] = [
    () => {},
    (core) => core.hello(0),
    (core) => core.startTls(0),
    (core) => core.authenticate({ username: "u", password: "p" }, 0),
    (core) => core.quit(0),
  ];
  fc.assert(
    fc.property(fc.nat(phases.length - 1), fc.array(fragments, { maxLength: 12 }), (phase, input) => {
      const dialogue = phase < 2 ? new Dialogue() : Dialogue.ready(["250-mx", "250 AUTH PLAIN"]);
      if (phase < 2) dialogue.core.greet(0);
      if (phase === 1) dialogue.peer("220 hi");
      phases[phase]?.(dialogue.core);
      const kinds: string[] = [];
      for (const fragment of input) {
        dialogue.core.receive(Buffer.from(fragment), 0);
        kinds.push(...dialogue.events().map(({ kind }) => kind));
      }
      dialogue.core.endOfStream(undefined, 0);
      kinds.push(...dialogue.events().map(({ kind }) => kind));
      assert.ok(dialogue.core.closed);
      assert.ok(kinds.length >= 1 && kinds.length <= 2, kinds.join());
      assert.equal(dialogue.core.deadline(), undefined);
    }),
    { numRuns: 500 },
  );
});
