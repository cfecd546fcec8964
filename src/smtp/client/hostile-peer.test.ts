/** Every state of the client against a server that speaks out of turn: nothing counts that answers nothing of ours. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import type { ClientChannel } from "../../sasl/client-mechanism.ts";
import { ClientProtocol } from "./protocol.ts";
import type { ClientEvent } from "./event.ts";
import { standardTimeouts } from "./timeouts.ts";

const sentContent = Buffer.from("Subject: x\r\n\r\nbody\r\n");
const greeting = "220 mx.test\r\n";
const plain = "250 mx.test\r\n";
const pipelining = "250-mx.test\r\n250 PIPELINING\r\n";
const chunking = "250-mx.test\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
const chunkingAlone = "250-mx.test\r\n250 CHUNKING\r\n";
const login = "250-mx.test\r\n250 AUTH LOGIN\r\n";
const loginPlain = "250-mx.test\r\n250 AUTH PLAIN\r\n";

interface Session {
  readonly dialect?: "smtp" | "lmtp";
  readonly content?: "whole" | "stream";
  readonly recipients?: number;
  /** How many are begun, one after the other; one, where absent. */
  readonly transactions?: number;
  /** Network writes are taken only in part: the output is held back from the peer. */
  readonly held?: boolean;
}

interface Played {
  /** The last things that happened, in short. */
  readonly outcome: readonly string[];
  readonly output: string;
}

/** A whole session; each of the server's turns arrives as one segment, after the client said all it has to say. */
function play(turns: readonly string[], session: Session = {}): Played {
  const core = new ClientProtocol({
    dialect: session.dialect ?? "smtp",
    heloName: "our.test",
    timeouts: standardTimeouts,
  });
  const outcome: string[] = [];
  let output = "";
  const follow = (event: ClientEvent): void => {
    switch (event.kind) {
      case "greeted":
        return core.hello(0);
      case "hello-done":
        if (core.capabilities.auth.length > 0) return core.authenticate({ username: "u", password: "p" }, 0);
        if (core.capabilities.startTls) return core.startTls(0);
        return transact();
      case "authenticated":
      case "authentication-failed":
      case "tls-refused":
        outcome.push(event.kind);
        return transact();
      case "send-content":
        core.content(sentContent.subarray(0, 10), 0);
        return core.content(sentContent.subarray(10), 0);
      case "transaction-done":
        for (const result of event.results) {
          outcome.push(
            result.kind === "broken" ? `broken ${result.failure.kind} ${result.failure.command}` : result.kind,
          );
          assert.ok(result.kind !== "broken" || !result.contentSent, "nothing may have arrived");
        }
        return core.ready && core.transactions < (session.transactions ?? 1) ? transact() : undefined;
      case "failed":
        outcome.push(`failed ${event.failure.kind} ${event.failure.command}`);
        return undefined;
      default:
        return undefined;
    }
  };
  const transact = (): void => {
    const recipients = Array.from({ length: session.recipients ?? 1 }, (_, index) => ({ address: `u${index}@d.test` }));
    const content =
      session.content === "stream" ? ({ kind: "stream" } as const) : { kind: "whole" as const, parts: [sentContent] };
    core.transact(
      { envelope: { reversePath: "", recipients, body: "7BIT", smtpUtf8: false, size: sentContent.length }, content },
      0,
    );
  };
  core.greet(0);
  for (const turn of turns) {
    core.receive(Buffer.from(turn), 0);
    for (let event = core.nextEvent(); event !== undefined; event = core.nextEvent()) follow(event);
    const sent = core.takeOutput();
    if (sent === undefined || core.closed) continue;
    output += Buffer.from(sent).toString();
    if (session.held === true) core.outputHeld();
  }
  return { outcome, output };
}

const rows: readonly (readonly [name: string, turns: readonly string[], outcome: readonly string[], session?: Session])[] = [
  [
    "a final reply in the segment of the 354 is not an acceptance",
    [greeting, pipelining, "250 ok\r\n250 ok\r\n354 go\r\n250 kept\r\n"],
    ["broken protocol-error DATA"],
  ],
  [
    "… nor is one of which only a part has come",
    [greeting, pipelining, "250 ok\r\n250 ok\r\n354 go\r\n25", "0 kept\r\n"],
    ["broken protocol-error DATA"],
  ],
  [
    "… nor for a stream of content",
    [greeting, pipelining, "250 ok\r\n250 ok\r\n354 go\r\n250 kept\r\n"],
    ["broken protocol-error DATA"],
    { content: "stream" },
  ],
  [
    "… nor without PIPELINING",
    [greeting, plain, "250 ok\r\n", "250 ok\r\n", "354 go\r\n250 kept\r\n"],
    ["broken protocol-error DATA"],
  ],
  [
    "… nor over LMTP, where one reply is owed for each recipient",
    [greeting, pipelining, "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 kept\r\n250 kept\r\n"],
    ["broken protocol-error DATA", "broken protocol-error DATA"],
    { dialect: "lmtp", recipients: 2 },
  ],
  [
    "a second 354 is not an acceptance either",
    [greeting, pipelining, "250 ok\r\n250 ok\r\n354 go\r\n354 go\r\n"],
    ["broken protocol-error DATA"],
  ],
  [
    "a refusal in the segment of the 354 is a refusal: some servers give up early",
    [greeting, pipelining, "250 ok\r\n250 ok\r\n354 go\r\n554 5.7.1 no\r\n"],
    ["refused"],
  ],
  [
    "… and so is one of which only a part has come with the 354",
    [greeting, pipelining, "250 ok\r\n250 ok\r\n354 go\r\n45", "1 later\r\n"],
    ["refused"],
  ],
  ["421 may come at any time", [greeting, plain, "250 ok\r\n421 bye\r\n"], ["refused"]],
  [
    "an acceptance while the network still holds the content is none",
    [greeting, pipelining, "250 ok\r\n250 ok\r\n354 go\r\n", "250 kept\r\n"],
    ["broken protocol-error end of data"],
    { held: true },
  ],
  [
    "… nor is one of a BDAT chunk that has not left",
    [greeting, chunking, "250 ok\r\n250 ok\r\n250 kept\r\n"],
    ["broken protocol-error end of data"],
    { held: true },
  ],
  [
    "… but a refusal counts",
    [greeting, pipelining, "250 ok\r\n250 ok\r\n354 go\r\n", "552 too big\r\n"],
    ["refused"],
    { held: true },
  ],
  ["replies to one flight may come in one segment", [greeting, chunking, "250 ok\r\n250 ok\r\n250 kept\r\n"], ["accepted"]],
  [
    "an acceptance ahead of BDAT is none",
    [greeting, chunkingAlone, "250 ok\r\n", "250 ok\r\n250 kept\r\n"],
    ["broken protocol-error BDAT"],
  ],
  [
    "… and nor is a refusal, since the server was asked for nothing that it could refuse",
    [greeting, chunkingAlone, "250 ok\r\n", "250 ok\r\n552 too big\r\n"],
    ["broken protocol-error BDAT"],
  ],
  [
    "… nor for a stream of chunks",
    [greeting, chunking, "250 ok\r\n", "250 ok\r\n552 too big\r\n"],
    ["broken protocol-error BDAT"],
    { content: "stream" },
  ],
  [
    "a second answer to one RSET ends the transaction",
    [greeting, plain, "250 ok\r\n", "550 no\r\n", "250 reset\r\n250 ok\r\n"],
    ["refused", "broken protocol-error MAIL"],
    { transactions: 2 },
  ],
  [
    "an answer to RSET ahead of RSET ends the session",
    [greeting, plain, "250 ok\r\n", "550 no\r\n250 reset\r\n"],
    ["refused", "broken protocol-error RSET", "failed protocol-error RSET"],
    { transactions: 2 },
  ],
  [
    "without PIPELINING a reply to RCPT ahead of RCPT ends the session",
    [greeting, plain, "250 ok\r\n250 ok\r\n354 go\r\n250 kept\r\n"],
    ["broken protocol-error RCPT"],
  ],
  ["a reply to EHLO ahead of EHLO ends the session", [`${greeting}${pipelining}`], ["failed protocol-error idle"]],
  ["… of which only a part has come, too", [`${greeting}25`, "0 mx.test\r\n"], ["failed protocol-error idle"]],
  ["a reply to HELO ahead of HELO, too", [greeting, "502 no\r\n250 mx.test\r\n"], ["failed protocol-error EHLO"]],
  [
    "a reply to MAIL ahead of MAIL ends the transaction",
    [greeting, `${pipelining}250 ok\r\n250 ok\r\n354 go\r\n`],
    ["broken protocol-error MAIL", "failed protocol-error MAIL"],
  ],
  ["421 behind the greeting is an answer", [`${greeting}421 bye\r\n`], ["failed refused idle"]],
  ["3yz is no greeting", ["354 go\r\n"], ["failed protocol-error greeting"]],
  ["3yz is no answer to EHLO", [greeting, "334 YQ==\r\n"], ["failed protocol-error EHLO"]],
  [
    "3yz is no answer to STARTTLS, so that the session does not go on in clear",
    [greeting, "250-mx.test\r\n250 STARTTLS\r\n", "354 go\r\n"],
    ["failed protocol-error STARTTLS"],
  ],
  [
    "a server that answers every response with 334 is answered three times",
    [greeting, login, ...Array.from({ length: 50 }, () => "334 YQ==\r\n")],
    ["failed protocol-error AUTH"],
  ],
  [
    "… and one that is given everything with the command is answered once",
    [greeting, loginPlain, ...Array.from({ length: 50 }, () => "334 \r\n")],
    ["failed protocol-error AUTH"],
  ],
  ["challenges in one segment are ahead of their responses", [greeting, login, "334 YQ==\r\n334 YQ==\r\n235 ok\r\n"], ["failed protocol-error AUTH"]],
  ["235 before the password was given is no login", [greeting, login, "334 YQ==\r\n", "235 ok\r\n"], ["failed protocol-error AUTH"]],
  [
    "235 after the login was cancelled is no login",
    [greeting, login, "334 YQ==\r\n", "334 YQ==\r\n", "334 YQ==\r\n", "235 ok\r\n"],
    ["failed protocol-error AUTH"],
  ],
  [
    "a login that is refused after its cancellation leaves the session usable",
    [greeting, login, "334 YQ==\r\n", "334 YQ==\r\n", "334 YQ==\r\n", "501 cancelled\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 kept\r\n"],
    ["authentication-failed", "accepted"],
  ],
]; // prettier-ignore

for (const [name, turns, outcome, session] of rows) {
  test(`the client's states: ${name}`, () => {
    assert.deepEqual(play(turns, session).outcome, outcome);
  });
}

test("a server that answers 334 for ever gets two responses, one cancellation, and no more", () => {
  const { output } = play([greeting, login, ...Array.from({ length: 1000 }, () => "334 YQ==\r\n")]);
  assert.equal(output, "EHLO our.test\r\nAUTH LOGIN\r\ndQ==\r\ncA==\r\n*\r\n");
});

test("no octet of the content leaves when the reply to it is here already", () => {
  for (const content of ["whole", "stream"] as const) {
    const { output } = play([greeting, plain, "250 ok\r\n", "250 ok\r\n", "354 go\r\n550 no\r\n"], { content });
    assert.equal(output, "EHLO our.test\r\nMAIL FROM:<>\r\nRCPT TO:<u0@d.test>\r\nDATA\r\n");
  }
});

/** A session that has read this answer to EHLO. */
function introduced(ehlo: string): ClientProtocol {
  const core = new ClientProtocol({ dialect: "smtp", heloName: "our.test", timeouts: standardTimeouts });
  core.greet(0);
  hear(core, greeting);
  core.hello(0);
  hear(core, ehlo);
  core.takeOutput();
  return core;
}

/** The kinds of events that octets of the server lead to. */
function hear(core: ClientProtocol, octets: string | Uint8Array): string[] {
  core.receive(Buffer.from(octets), 0);
  return events(core);
}

function events(core: ClientProtocol): string[] {
  const kinds: string[] = [];
  for (let event = core.nextEvent(); event !== undefined; event = core.nextEvent()) kinds.push(event.kind);
  return kinds;
}

test("TLS-009: whatever comes in clear behind the 220 to STARTTLS ends the session, and nothing more is said", () => {
  const injected = fc.oneof(
    fc.constantFrom(
      "250-mx.test\r\n250 AUTH PLAIN\r\n",
      "250 ok\r\n",
      "220 go\r\n",
      "235 ok\r\n",
      "421 bye\r\n",
      "2",
      "\n",
    ),
    fc.uint8Array({ minLength: 1, maxLength: 100 }),
  );
  const windows = {
    "in the segment of the 220": (core: ClientProtocol, octets: string | Uint8Array) =>
      hear(core, Buffer.concat([Buffer.from("220 go\r\n"), Buffer.from(octets)])),
    "in the next one": (core: ClientProtocol, octets: string | Uint8Array) => {
      assert.deepEqual(hear(core, "220 go\r\n"), ["start-tls"]);
      return hear(core, octets);
    },
    "and is found when TLS is there": (core: ClientProtocol, octets: string | Uint8Array) => {
      assert.deepEqual(hear(core, "220 go\r\n"), ["start-tls"]);
      core.receive(Buffer.from(octets), 0);
      core.tlsEstablished(0);
      core.hello(0);
      return events(core);
    },
  };
  for (const [name, play] of Object.entries(windows)) {
    fc.assert(
      fc.property(injected, (octets) => {
        const core = introduced("250-mx.test\r\n250 STARTTLS\r\n");
        core.startTls(0);
        core.takeOutput();
        assert.deepEqual(play(core, octets), ["failed"], name);
        assert.deepEqual([core.closed, core.takeOutput(), core.capabilities.auth], [true, undefined, []], name);
      }),
    );
  }
});

test("AUTH-026: a server that does not know the password never gets a login by SCRAM, whatever it says", () => {
  const nonce = "abcdefghijklmnopqrstuvwx";
  const channel: ClientChannel = {
    nonce: () => nonce,
    derive: (password, { salt }) => createHash("sha256").update(password).update(salt).digest(),
  };
  const challenge = (text: string) => `334 ${Buffer.from(text).toString("base64")}\r\n`;
  const turns = fc.oneof(
    fc.constantFrom(challenge(`r=${nonce}more,s=c2FsdA==,i=4096`), challenge(`r=${nonce}more,s=c2FsdA==,i=1`)),
    fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((guess) => challenge(`v=${Buffer.from(guess).toString("base64")}`)),
    fc.string({ maxLength: 40 }).map(challenge),
    fc.constantFrom("235 ok\r\n", "250 ok\r\n", "334 \r\n", challenge("e=other-error")),
  );
  fc.assert(
    fc.property(fc.array(turns, { maxLength: 6 }), (replies) => {
      const core = introduced("250-mx.test\r\n250 AUTH SCRAM-SHA-256\r\n");
      core.authenticate({ username: "u", password: "p" }, 0, { channel });
      const outcome = replies.flatMap((reply) => (core.closed ? [] : hear(core, reply)));
      assert.ok(!outcome.includes("authenticated"), outcome.join());
      assert.ok(String(core.takeOutput()).split("\r\n").length <= 5, "a bounded number of responses");
    }),
    { numRuns: 300 },
  );
});
