/** The grammar of commands, as the core holds peers to it: paths, parameters, blanks, control octets; VRFY and EXPN. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { reply } from "../reply.ts";
import { Conversation, greeted, withRecipient } from "../../testing/server-conversation.ts";

test("SMTP-005: verbs, FROM: and TO:, keywords are case-insensitive; local-parts keep their case", () => {
  const conversation = greeted().play(`
    C: mAiL fRoM:<Ab.C@x.example> bOdY=8bitmime
    S: 250
    C: rcpt to:<De.F@Y.Example> notify=Success,delay
    S: 250
    C: dAtA
    S: 354
    C: .
    S: 250
  `);
  assert.deepEqual(conversation.messages, [{ sender: "Ab.C@x.example", recipients: ["De.F@Y.Example"], content: "" }]);
  const event = conversation.events.find(({ kind }) => kind === "recipient");
  assert.deepEqual(event?.kind === "recipient" && event.parameters, { notify: ["SUCCESS", "DELAY"] });
});

test("blanks behind FROM: and TO: change nothing, tabs neither", () => {
  for (const blanks of [" ", "\t", "  \t "]) {
    greeted().play(`C: MAIL FROM:${blanks}<a@b.example> SIZE=1\nS: 250\nC: RCPT TO:${blanks}<c@d.example>\nS: 250`);
    greeted().play(`C: MAIL FROM:${blanks}<>\nS: 250`);
  }
  greeted().play("C: MAIL FROM:<a\t@b.example>\nS: 501\nC: MAIL FROM:<a@b.example>\tSIZE=1\nS: 501");
});

test("a client of our own needs no brackets and no domain; any other hears what is missing", () => {
  const own = { completesAddresses: true, hostname: "mail.example.org" };
  const conversation = greeted(own).play(
    "C: MAIL FROM:root SIZE=9\nS: 250\nC: RCPT TO:ann\nS: 250\nC: RCPT TO:<bob>\nS: 250",
  );
  const paths = conversation.events.flatMap((event) =>
    event.kind === "mail" ? [event.reversePath] : event.kind === "recipient" ? [event.forwardPath] : [],
  );
  assert.deepEqual(
    paths.map((path) => path?.localPart),
    ["root", "ann", "bob"],
  );
  assert.ok(paths.every((path) => path?.domainKey === "mail.example.org"));
  greeted(own).play("C: MAIL FROM:root@\nS: 501\nC: MAIL FROM:\nS: 501");
  greeted().play(`
    C: MAIL FROM:root@b.example
    S: 501 5.1.7 The address needs angle brackets
    C: MAIL FROM:<root>
    S: 501 5.1.7 The address has no domain
    C: MAIL FROM:<root@b.example>
    S: 250
    C: RCPT TO:ann@b.example
    S: 501 5.1.3 The address needs angle brackets
    C: RCPT TO:<ann>
    S: 501 5.1.3 The address has no domain
  `);
});

test("SMTP-022: nothing of the input comes back", () => {
  const conversation = greeted({ errorsMax: 1000 });
  for (const octet of ["\u001b", "\0", "\u00ff", "\u007f", "\u0085"]) {
    for (const line of ["VRFY %", "MAIL FROM:<%@b>", "MAIL FROM:<a@b> X%=1", "%", "NOOP %", "RCPT TO:<%>", "AUTH %"]) {
      const answer = conversation.send(`${line.replace("%", octet)}\r\n`).read();
      assert.match(answer, /^[2-5]\d\d [ -~]*\r\n$/, JSON.stringify(line));
    }
  }
  for (const octet of ["\u001b", "\0", "\u00ff", "\u007f", "\u0085"]) {
    assert.match(greeted().send(`BDAT ${octet}\r\n`).read(), /^501 [ -~]*\r\n421 [ -~]*\r\n$/);
  }
  const long = "Z".repeat(1000);
  assert.ok(conversation.send(`MAIL FROM:<a@b> ${long}=1\r\n`).read().length < 100);
});

test("SMTP-023: DATA, RSET, QUIT with an argument get 501", () => {
  withRecipient().play(`
    C: RSET foo
    S: 501 5.5.4
    C: DATA x
    S: 501 5.5.4
    C: QUIT now
    S: 501 5.5.4
    C: DATA
    S: 354
    C: .
    S: 250
  `);
});

test("SMTP-024: white space before CRLF is tolerated", () => {
  greeted().play(`
    C: NOOP ${""}
    S: 250
    C: NOOP\t
    S: 250
    C: MAIL FROM:<a@b.example> ${""}
    S: 250
    C: RCPT TO:<a@b.example>\t ${""}
    S: 250
    C: DATA  ${""}
    S: 354
    C: .
    S: 250
  `);
});

test("SMTP-025: brackets are needed, <> is a sender and no recipient", () => {
  greeted({ errorsMax: 100 }).play(`
    C: MAIL FROM:a@b.example
    S: 501 5.1.7
    C: MAIL FROM:
    S: 501
    C: MAIL
    S: 501 5.5.4
    C: MAIL TO:<a@b.example>
    S: 501 5.5.4
    C: MAIL FROM:<a@b.example>SIZE=1
    S: 501
    C: MAIL FROM:<a@b.example>>
    S: 501
    C: MAIL FROM:<>
    S: 250
    C: RCPT TO:<>
    S: 501 5.1.3
    C: RCPT TO:c@d.example
    S: 501 5.1.3
    C: RCPT FROM:<c@d.example>
    S: 501 5.5.4
    C: RCPT TO: <c@d.example>
    S: 250
  `);
});

test("SMTP-028: control octets in commands get 501", () => {
  greeted({ errorsMax: 100 }).play(`
    C: MAIL FROM:<a\x07b@x>
    S: 501
    C: MAIL FROM:<a@x>\0
    S: 501
    C: MAIL FROM:<a@x> SIZE=1\x7f
    S: 501
    C: VRFY a\x1b
    S: 501
    C: MAIL FROM:<\u00e9@x>
    S: 501 5.5.2
  `);
});

test("SMTP-029: a domain with anything but letters, digits, underscores and inner hyphens is 501, in MAIL and in RCPT", () => {
  greeted().play("C: MAIL FROM:<a@b_c.example>\nS: 250\nC: RCPT TO:<a@_d.example>\nS: 250");
  for (const domain of ["-x.example", "x-.example", "x..y", "x,y"]) {
    greeted().play(`C: MAIL FROM:<a@${domain}>\nS: 501`);
    withRecipient().play(`C: RCPT TO:<a@${domain}>\nS: 501\nC: DATA\nS: 354`);
  }
});

test("SMTP-030: address literals are no syntax error in EHLO, MAIL and RCPT; wrong ones are 501", () => {
  for (const literal of ["[192.0.2.1]", "[IPv6:2001:db8::1]"]) {
    new Conversation().play(`S: 220\nC: EHLO ${literal}\nS: 250`);
    greeted().play(`C: MAIL FROM:<a@${literal}>\nS: 250\nC: RCPT TO:<b@${literal}>\nS: 250`);
  }
  greeted().play("C: MAIL FROM:<a@[1.2.3.999]>\nS: 501\nC: MAIL FROM:<a@[IPv6:x::1]>\nS: 501");
  withRecipient().play("C: RCPT TO:<a@[1.2.3.999]>\nS: 501");
});

test("SMTP-031: an unknown parameter gets 555", () => {
  greeted().play(`
    C: MAIL FROM:<a@b.example> FOO=1
    S: 555 5.5.4
    C: MAIL FROM:<a@b.example> FOO
    S: 555 5.5.4
    C: MAIL FROM:<a@b.example>
    S: 250
    C: RCPT TO:<c@d.example> BAR
    S: 555 5.5.4
    C: RCPT TO:<c@d.example> SIZE=1
    S: 555 5.5.4
  `);
});

test("SMTP-032 trap 17: repeated and malformed parameters get 501", () => {
  const conversation = greeted({ errorsMax: 100 });
  const wrong = [
    "SIZE=1 SIZE=2",
    "BODY=7BIT body=8BITMIME",
    "SMTPUTF8 SMTPUTF8",
    "ENVID=a ENVID=a",
    "=x",
    "=",
    "-A=1",
    "A=b=c",
    "SIZE=1 =",
    "RET=FULL RET=HDRS",
  ];
  for (const parameters of wrong) conversation.play(`C: MAIL FROM:<a@b.example> ${parameters}\nS: 501 5.5.4`);
});

test("SMTP-033: postmaster without a domain is a recipient", () => {
  const conversation = withRecipient().play("C: RCPT TO:<PostMaster>\nS: 250\nC: RCPT TO:<abuse>\nS: 501 5.1.3");
  assert.ok(conversation.events.some((event) => event.kind === "recipient" && event.forwardPath.domain === ""));
});

test("SMTP-046: VRFY and EXPN when disabled", () => {
  greeted().play(`
    C: VRFY known
    S: 252
    C: VRFY unknown
    S: 252
    C: VRFY
    S: 501 5.5.4
    C: EXPN list
    S: 502 5.5.1
  `);
});

test("SMTP-046 EAI-002: VRFY and EXPN when enabled ask the driver", () => {
  const conversation = greeted({ verifyEnabled: true }, (event) =>
    event.kind === "vrfy" && event.text === "bob" ? reply(250, "2.1.5", "<bob@rcpt.example>") : "proceed",
  ).play(`
    C: VRFY bob
    S: 250 2.1.5
    C: VRFY eve
    S: 252
    C: EXPN list SMTPUTF8
    S: 252
    C: VRFY bob SMTPUTF8=1
    S: 501
  `);
  conversation.send(Buffer.from("VRFY é\r\nVRFY é SMTPUTF8\r\n")).play("S: 553 5.6.7\nS: 252");
  assert.deepEqual(conversation.events.at(-1), { kind: "vrfy", text: "é", smtpUtf8: true });
});
