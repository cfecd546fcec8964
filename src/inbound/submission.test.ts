/** Submission (RFC 6409, RFC 8314) and AUTH (RFC 4954). */
import { test } from "node:test";
import assert from "node:assert/strict";
import { plain, ReceivingServer } from "../testing/receiving-server.ts";

const encode = (text: string) => Buffer.from(text).toString("base64");
const complete = "Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n";

test("SUB-001 TLS-006 SUB-010: before TLS and a login there is nothing but TLS, and then the login", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("submission");
  assert.doesNotMatch(await client.expect("EHLO client.test", "250"), /AUTH/);
  await client.expect("MAIL FROM:<ann@example.org>", "530 5.7.0");
  const early = await client.expect(`AUTH PLAIN ${plain("ann@example.org", "secret")}`, "53");
  assert.match(early, /^53[08] /);
  await client.startTls();
  await client.expect("EHLO client.test", "250");
  await client.expect("MAIL FROM:<ann@example.org>", "530 5.7.0");
  await client.expect(`AUTH PLAIN ${plain("ann@example.org", "secret")}`, "235 2.7.0");
  await client.expect("MAIL FROM:<ann@example.org>", "250");
});

test("SUB-002 SUB-009 AUTH-010: 465 speaks TLS at once, offers logins and no STARTTLS", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("submissions");
  const hello = await client.expect("EHLO client.test", "250");
  assert.match(hello, /^250-AUTH PLAIN LOGIN$/m);
  assert.doesNotMatch(hello, /STARTTLS|ETRN/);
  await client.expect("STARTTLS", "503");
  await client.expect(`AUTH PLAIN ${plain("ann@example.org", "secret")}`, "235");
  await client.envelope("<ann@example.org>", "<u@elsewhere.test>");
  await client.content(`From: ann@example.org\r\n${complete}\r\nhello`);
  const { message } = await server.onlyMessage();
  assert.equal(message.origin.listener, "submissions");
  assert.equal(message.origin.protocol, "ESMTPSA");
});

test("SUB-002: 587 offers logins under TLS, never ETRN or ATRN, and a client above the limits hears 421, not 521", async () => {
  await using server = await ReceivingServer.open({ limits: { client_connections: 1 } });
  const client = await server.client("submission", "203.0.113.1");
  const clear = await client.expect("EHLO client.test", "250");
  await client.startTls();
  const secured = await client.expect("EHLO client.test", "250");
  assert.match(secured, /^250-AUTH PLAIN LOGIN$/m);
  assert.doesNotMatch(clear + secured, /ETRN|ATRN/);
  await client.expect("ETRN example.org", "500");
  await client.expect("ATRN example.org", "500");
  assert.match(await (await server.dial("submission", "203.0.113.1")).reply(), /^421 /);
});

test("SUB-009: clear text on 465 gets no SMTP reply", async () => {
  await using server = await ReceivingServer.open();
  const stream = await server.network.connect({ kind: "ip", address: "192.0.2.25", port: 465 }, {});
  let received = 0;
  stream.start({ data: ({ length }) => (received += length), end() {}, drained() {}, closed() {} });
  stream.write(Buffer.from("EHLO client.test\r\n"));
  await server.clock.advance(0);
  assert.equal(received, 0);
  assert.equal(server.inbound.sessions, 0);
});

test("SUB-003: domains that are not fully qualified are refused, never completed", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.submitter();
  await client.expect("MAIL FROM:<ann@localhost>", "554 5.1.8");
  await client.expect("MAIL FROM:<ann@example.org>", "250");
  await client.expect("RCPT TO:<bob@sales>", "554 5.1.2");
  await client.expect("RCPT TO:<bob@squeaky.sales>", "250");
});

test("SUB-004: a From field that cannot be read is refused after the content", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.submitter();
  for (const header of ["From: <a@@b>", "From: ann@example.org\r\nFrom: bob@example.org"]) {
    await client.envelope("<ann@example.org>", "<u@elsewhere.test>");
    assert.match(await client.content(`${header}\r\n\r\nhello`), /^554 5\.6\.0 /, header);
  }
  assert.equal((await server.messages()).length, 0);
});

test("SUB-005: a logged-in user may send with the null reverse-path", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.submitter();
  await client.envelope("<>", "<u@elsewhere.test>");
  assert.match(await client.content(`From: ann@example.org\r\n${complete}\r\nhello`), /^250 /);
  assert.equal((await server.onlyMessage()).message.reversePath, "");
});

test("SUB-006 SUB-014: submissions get Date, Message-ID and From where missing, and lose Bcc; port 25 touches nothing", async () => {
  await using server = await ReceivingServer.open();
  const submitter = await server.submitter();
  await submitter.envelope("<ann@example.org>", "<u@elsewhere.test>");
  await submitter.content("Subject: x\r\nBcc: hidden@elsewhere.test\r\n\r\nhello");
  const relay = await server.client("mx");
  await relay.envelope("<s@x.example>", "<ann@example.org>");
  await relay.content("Subject: x\r\nBcc: hidden@elsewhere.test\r\n\r\nhello");
  const [submitted, relayed] = await server.messages();
  assert.match(submitted?.content ?? "", /^Date: Thu, 1 Jan 2026 00:00:00 \+0000\r$/m);
  assert.match(submitted?.content ?? "", /^Message-ID: <[^<>@\s]+@mail\.example\.org>\r$/m);
  assert.match(submitted?.content ?? "", /^From: ann@example\.org\r$/m);
  assert.doesNotMatch(submitted?.content ?? "", /hidden/);
  assert.ok(submitted?.content.endsWith("Subject: x\r\n\r\nhello\r\n"));
  assert.equal(submitted?.message.size, submitted?.content.length);
  assert.match(submitted?.message.facts.messageId ?? "", /@mail\.example\.org>$/);
  assert.equal(relayed?.content, "Subject: x\r\nBcc: hidden@elsewhere.test\r\n\r\nhello\r\n");
});

test("SUB-007: envelope and From are the login's own addresses, its tags and its aliases", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.submitter();
  for (const foreign of ["bob@example.org", "ann@elsewhere.test", "ghost@example.org"]) {
    await client.expect(`MAIL FROM:<${foreign}>`, "550 5.7.1");
  }
  for (const own of ["ann@example.org", "ANN@example.org", "ann+shop@example.org", "team@example.org"]) {
    await client.expect(`MAIL FROM:<${own}>`, "250");
    await client.expect("RSET", "250");
  }
  const authors: readonly (readonly [string, RegExp])[] = [
    ["From: Bob <bob@example.org>", /^550 5\.7\.1 /],
    ["From: ann@example.org\r\nSender: bob@example.org", /^550 5\.7\.1 /],
    ["From: bob@example.org\r\nSender: ann@example.org", /^550 5\.7\.1 /],
    ["From: Team <team@example.org>", /^250 /],
    ["From: ann@example.org, bob@example.org\r\nSender: ann@example.org", /^250 /],
    ["From: Boss <bob@example.org>, ann@example.org", /^550 5\.7\.1 .* add a Sender field/],
    ["From: president@bank.test, ann@example.org", /^550 5\.7\.1 .* add a Sender field/],
    ["From: ann@example.org, ann+shop@example.org, team@example.org", /^250 /],
  ];
  for (const [header, code] of authors) {
    await client.envelope("<ann@example.org>", "<u@elsewhere.test>");
    assert.match(await client.content(`${header}\r\n${complete}\r\nhello`), code, header);
  }
});

test("SUB-007: a grant lets a user send as a whole domain, in the envelope and in From; others may not", async () => {
  await using server = await ReceivingServer.open({
    users: [
      { address: "ann@example.org", password: "hash:secret", send_as: ["*@news.test"] },
      { address: "bob@example.org", password: "hash:word" },
    ],
  });
  const client = await server.submitter();
  await client.envelope("<issue@news.test>", "<u@elsewhere.test>");
  assert.match(await client.content(`From: Editor <editor@news.test>\r\n${complete}\r\nhello`), /^250 /);
  await client.expect("MAIL FROM:<bob@example.org>", "550 5.7.1");
  await client.expect("MAIL FROM:<x@sub.news.test>", "550 5.7.1");
  const refused = server.log.of("mail-refused").map(({ reason, setting }) => [reason, setting]);
  assert.deepEqual(refused[0], ["sender-not-of-login", "user ann@example.org"]);
});

test("a user writes to no more new addresses a day than limits.new_recipients, and to known and local ones always", async () => {
  await using server = await ReceivingServer.open({ limits: { new_recipients: 2 } });
  const client = await server.submitter();
  await client.expect("MAIL FROM:<ann@example.org>", "250");
  for (const known of ["a@elsewhere.test", "A@Elsewhere.TEST", "b@elsewhere.test", "bob@example.org"]) {
    await client.expect(`RCPT TO:<${known}>`, "250");
  }
  await client.expect("RCPT TO:<c@elsewhere.test>", "450 4.7.1");
  await client.expect("RCPT TO:<a@elsewhere.test>", "250");
  const [refused] = server.log.of("recipient-refused");
  assert.deepEqual(
    [refused?.reason, refused?.rule, refused?.setting, refused?.inputs],
    ["too-many-new-recipients", "new-recipients", "limits.new_recipients", { login: "ann@example.org", limit: 2 }],
  );
  const stranger = await server.client("mx");
  await stranger.expect("MAIL FROM:<s@x.example>", "250");
  await stranger.expect("RCPT TO:<ann@example.org>", "250");
});

test("SUB-012 HDR-002: the Received field of a submission names the cipher, and not a hidden recipient", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.submitter();
  await client.envelope("<ann@example.org>", "<MiXeD@other.example>");
  await client.content(`From: ann@example.org\r\n${complete}\r\nhello`);
  const { message, recipients } = await server.onlyMessage();
  assert.match(message.headerBlock.replaceAll(/\r\n\t/g, " "), /with ESMTPSA .* tls TLS_AES_256_GCM_SHA384/);
  assert.deepEqual(message.origin.tls, { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" });
  assert.equal(message.origin.login, "ann@example.org");
  // SUB-013: destination local-parts are not rewritten.
  assert.equal(recipients[0]?.address, "MiXeD@other.example");
});

test("AUTH-001: no second login, and none during a transaction", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.submitter();
  await client.expect(`AUTH PLAIN ${plain("ann@example.org", "secret")}`, "503");
  await client.expect("MAIL FROM:<ann@example.org>", "250");
  await client.expect(`AUTH PLAIN ${plain("ann@example.org", "secret")}`, "503");
});

test("AUTH-002 AUTH-003 AUTH-004 AUTH-005: challenges, empty and cancelled responses, and what is not base64", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("submissions");
  assert.equal(await client.expect("AUTH PLAIN", "334"), "334 ".trimEnd());
  await client.expect(plain("ann@example.org", "wrong"), "535 5.7.8");
  assert.match(await client.expect("AUTH PLAIN =", "5"), /^5(01|35) /);
  await client.expect("AUTH LOGIN", "334 VXNlcm5hbWU6");
  await client.expect("*", "501");
  await client.expect("NOOP", "250");
  for (const text of ["=AAA", "AAA=BBB", "!!!!", "YQ"]) await client.expect(`AUTH PLAIN ${text}`, "501 5.5.2");
  await client.expect("AUTH FOO", "504 5.5.4");
  await client.expect(`AUTH PLAIN ${plain("ann@example.org", "secret")}`, "235 2.7.0");
});

test("AUTH-006: no mechanism lets the server speak first, so none takes an initial response wrongly", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("submissions");
  assert.match(await client.expect("EHLO client.test", "250"), /^250-AUTH PLAIN LOGIN$/m);
  for (const mechanism of ["CRAM-MD5", "DIGEST-MD5"]) {
    await client.expect(`AUTH ${mechanism} abcd`, "504 5.5.4");
    await client.expect(`AUTH ${mechanism}`, "504 5.5.4");
  }
  await client.expect(`AUTH PLAIN ${plain("ann@example.org", "secret")}`, "235");
});

test("AUTH-016 AUTH-017 AUTH-018: wrong messages, other identities and wrong characters all fail alike", async () => {
  await using server = await ReceivingServer.open({ limits: { errors: 100 } });
  const client = await server.client("submissions");
  const octets = (text: string) => Buffer.from(text, "latin1").toString("base64");
  const replies = new Set<string>();
  for (const message of [
    octets("\0ann@example.org\0secret\0"),
    octets("ann@example.org\0secret"),
    octets("\0ann@example.org\0"),
    octets("\0ann@example.org\0\xff"),
    plain("ann@example.org", "secret", "bob@example.org"),
    plain("nobody@example.org", "secret"),
    plain("ann@example.org", "wrong"),
  ]) {
    replies.add(await client.expect(`AUTH PLAIN ${message}`, "535 5.7.8"));
  }
  // AUTH-033: known and unknown users, right and wrong form hear the same words.
  assert.equal(replies.size, 1);
  await client.expect(`AUTH PLAIN ${plain("ann@example.org", "se\u00adcret")}`, "235");
  assert.deepEqual(
    server.log.of("login-failed").map(({ reason }) => reason),
    [
      "more than two NULs",
      "fewer than two NULs",
      "empty name or password",
      "not UTF-8",
      "other-identity",
      "unknown-user",
      "wrong-password",
    ],
  );
});

test("AUTH-019: LOGIN prompts, and takes the name at once from clients that send it so", async () => {
  await using server = await ReceivingServer.open();
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const first = await server.client("submissions");
  await first.expect("AUTH LOGIN", "334 VXNlcm5hbWU6");
  await first.expect(base64("ann@example.org"), "334 UGFzc3dvcmQ6");
  await first.expect(base64("secret"), "235");
  const second = await server.client("submissions");
  await second.expect(`AUTH LOGIN ${base64("bob@example.org")}`, "334 UGFzc3dvcmQ6");
  await second.expect(base64("word"), "235");
  assert.deepEqual(
    server.log.of("login-succeeded").map(({ login, mechanism }) => [login, mechanism]),
    [
      ["ann@example.org", "LOGIN"],
      ["bob@example.org", "LOGIN"],
    ],
  );
});

test("AUTH-009: port 25 offers no login, in clear or under TLS", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  assert.doesNotMatch(await client.expect("EHLO client.test", "250"), /AUTH/);
  await client.startTls();
  assert.doesNotMatch(await client.expect("EHLO client.test", "250"), /AUTH/);
  assert.match(await client.expect(`AUTH PLAIN ${plain("ann@example.org", "secret")}`, "50"), /^50[0-4] /);
});

test("AUTH-011 AUTH-033: too many failures are told to wait, whoever was guessed", async () => {
  await using server = await ReceivingServer.open({ limits: { errors: 100 } });
  const client = await server.client("submissions");
  for (const name of ["ann@example.org", "nobody@example.org"]) {
    for (let attempt = 0; attempt < 5; attempt++) {
      await client.expect(`AUTH PLAIN ${plain(name, "wrong")}`, "535 5.7.8");
    }
    const told = await client.expect(`AUTH PLAIN ${plain(name, "wrong")}`, "454 4.7.0");
    assert.match(told, /try again in 1 second\b/);
  }
  await server.clock.advance(10_000);
  await client.expect(`AUTH PLAIN ${plain("ann@example.org", "secret")}`, "235");
});

test("AUTH-011: accounts that cannot be asked are 454, never 535", async () => {
  await using server = await ReceivingServer.open({
    accounts: (accounts) => ({
      resolve: (mailbox) => accounts.resolve(mailbox),
      mayUse: (login, mailbox) => accounts.mayUse(login, mailbox),
      signInMeans: () => accounts.signInMeans(),
      knowsCertificate: (shown) => accounts.knowsCertificate(shown),
      verifiersOf: (username, digest) => accounts.verifiersOf(username, digest),
      authenticate: () => Promise.resolve({ kind: "unavailable", reason: "the store is gone" }),
    }),
  });
  const client = await server.client("submissions");
  await client.expect(`AUTH PLAIN ${plain("ann@example.org", "secret")}`, "454 4.7.0");
});

test("AUTH-012: three wrong passwords leave the session open; many end it with 421", async () => {
  await using server = await ReceivingServer.open({ limits: { errors: 5 } });
  const client = await server.client("submissions");
  for (let attempt = 0; attempt < 3; attempt++) {
    await client.expect(`AUTH PLAIN ${plain("ann@example.org", "wrong")}`, "535");
  }
  await client.expect("NOOP", "250");
  let reply = "";
  for (let attempt = 0; attempt < 10 && !reply.startsWith("421"); attempt++) {
    reply = await client.expect(`AUTH PLAIN ${plain("ann@example.org", "wrong")}`, "").catch(() => "421");
    if (await client.unread().then((text) => text.startsWith("421"))) reply = "421";
  }
  assert.ok(reply.startsWith("421"));
  assert.equal(await client.ended(), true);
});

test("accounts that answer later give the same replies in the same order", async () => {
  await using server = await ReceivingServer.open({
    accounts: (accounts) => ({
      resolve: async (mailbox) => await accounts.resolve(mailbox),
      mayUse: async (login, mailbox) => await accounts.mayUse(login, mailbox),
      signInMeans: () => accounts.signInMeans(),
      knowsCertificate: (shown) => accounts.knowsCertificate(shown),
      verifiersOf: (username, digest) => accounts.verifiersOf(username, digest),
      authenticate: (claim, address) => accounts.authenticate(claim, address),
    }),
  });
  const client = await server.submitter();
  const header = `From: ann@example.org\r\n${complete}`;
  client.send(
    "MAIL FROM:<bob@example.org>\r\nMAIL FROM:<ann@example.org>\r\nRCPT TO:<ghost@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n",
  );
  const codes: string[] = [];
  for (let count = 0; count < 5; count++) codes.push((await client.reply()).slice(0, 3));
  assert.deepEqual(codes, ["550", "250", "550", "250", "354"]);
  client.send(`${header}\r\nhello\r\n.\r\n`);
  assert.match(await client.reply(), /^250 /);
  assert.equal((await server.onlyMessage()).recipients.length, 1);
});

test("in development STARTTLS can be left out, for programs that use it unasked and refuse what is self-signed", async () => {
  await using server = await ReceivingServer.open({ development: true, startTls: false });
  const client = await server.client("submission");
  assert.doesNotMatch(await client.expect("EHLO app.test", "250"), /STARTTLS/);
  await client.expect("STARTTLS", "502");
  await client.expect("MAIL FROM:<app@example.org>", "250");
});

test("in development Bcc stays, so that a test sees the leak; the envelope is what was given in RCPT", async () => {
  await using server = await ReceivingServer.open({ development: true });
  const client = await server.client("submission");
  await client.expect("EHLO app.test", "250");
  await client.envelope("<app@localhost>", "<ann@else.test>");
  const fields = "Bcc: hidden@else.test\r\nResent-Bcc: hidden@else.test\r\n";
  assert.match(await client.content(`Subject: x\r\n${fields}\r\nhello`), /^250 /);
  const { content, recipients } = await server.onlyMessage();
  assert.ok(content.includes(fields));
  assert.deepEqual(
    recipients.map(({ address }) => address),
    ["ann@else.test"],
  );
});

test("in development any login is right, in clear, any sender and any recipient, and nobody is asked", async () => {
  await using server = await ReceivingServer.open({ development: true });
  const client = await server.client("mx");
  assert.match(await client.expect("EHLO client.test", "250"), /AUTH PLAIN LOGIN/);
  await client.envelope("<app@localhost>", "<Who.Ever@anywhere.test>", "<x@y>");
  assert.match(await client.content("Subject: x\r\n\r\nhello"), /^250 /);
  await client.expect(`AUTH PLAIN ${plain("any", "thing")}`, "235");
  await client.envelope("<app@localhost>", "<someone@else.test>");
  assert.match(await client.content("Subject: x\r\n\r\nhello"), /^250 /);
  assert.equal((await server.messages()).length, 2);
});

test("in development an empty user or password is a login, too; elsewhere it is refused", async () => {
  await using development = await ReceivingServer.open({ development: true });
  await using production = await ReceivingServer.open();
  const logins = [
    ["app", ""],
    ["", "secret"],
    ["", ""],
  ] as const;
  for (const [user, password] of logins) {
    for (const [server, code] of [
      [development, "235"],
      [production, "535"],
    ] as const) {
      const client = await server.client("submissions");
      await client.expect("EHLO app.test", "250");
      await client.expect(`AUTH PLAIN ${plain(user, password)}`, code);
      const prompted = await server.client("submissions");
      await prompted.expect("EHLO app.test", "250");
      await prompted.expect("AUTH LOGIN", "334");
      const reply = await prompted.expect(encode(user), user === "" && server === production ? code : "334");
      if (reply.startsWith("334")) await prompted.expect(encode(password), code);
    }
  }
});

test("cron's From field without a domain gets the login's address, and posthaste dev shows it as it came", async () => {
  const content = "From: root (Cron Daemon)\r\nTo: root\r\nSubject: Cron <root@web1> backup\r\n\r\ndone";
  await using server = await ReceivingServer.open();
  const client = await server.submitter();
  await client.envelope("<ann@example.org>", "<bob@example.org>");
  assert.match(await client.content(content), /^250 /);
  assert.match((await server.onlyMessage()).content, /^From: "root \(Cron Daemon\)" <ann@example\.org>\r$/m);
  await client.envelope("<ann@example.org>", "<bob@example.org>");
  assert.match(
    await client.content(content.replace("root (Cron Daemon)", "root@")),
    /^554 5\.6\.0 An address is malformed \(From field, character 1\)/,
  );
  await using development = await ReceivingServer.open({ development: true });
  const application = await development.client("submission");
  await application.envelope("<root@web1>", "<bob@example.org>");
  assert.match(await application.content(content), /^250 /);
  assert.match((await development.onlyMessage()).content, /^From: root \(Cron Daemon\)\r$/m);
});
