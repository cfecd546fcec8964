/** What becomes of mail that was accepted: mailbox, other servers, LMTP, aliases, and the trace it carries. */
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { test } from "node:test";
import { BodyHashes } from "../../src/dkim/body-hashes.ts";
import { recordText } from "../../src/dkim/signing-key.ts";
import { DkimVerifier } from "../../src/dkim/verifier.ts";
import { parseHeaderFields } from "../../src/message/header-section.ts";
import { close, ScriptedPeer, stall } from "../../src/testing/scripted-peer.ts";
import { testKey } from "../../src/testing/test-crypto.ts";
import { addresses, baseSettings, hour, relayClient, SimulatedWorld } from "./support.ts";

test("mail from a stranger for a local user is in the Maildir, with its trace on top and its octets as they were", async () => {
  await using world = await SimulatedWorld.start();
  const client = await world.client();
  const id = await client.send(
    "Joe.Bloggs@elsewhere.test",
    "ann@example.org",
    "From: joe@elsewhere.test\r\nSubject: hi\r\n\r\n..dot\r\nlast",
  );
  await world.quiet();
  const [mail, ...others] = (await world.mailbox("ann@example.org")).map(String);
  assert.equal(others.length, 0);
  assert.match(
    mail ?? "",
    new RegExp(
      "^Return-Path: <Joe\\.Bloggs@elsewhere\\.test>\nDelivered-To: ann@example\\.org\n" +
        "Authentication-Results: mail\\.example\\.org;[^]*?\n" +
        `Received: from client\\.test \\(\\[198\\.51\\.100\\.7\\]\\)\\s+by mail\\.example\\.org[^]*?\\sid ${id}\\b[^]*?\n` +
        "Subject: hi\n\n\\.dot\nlast\n$",
    ),
  );
  assert.deepEqual(await world.states(id), ["ann@example.org delivered"]);
});

test("SMTP-005: a local-part keeps its letter case to the mailbox's Return-Path and Delivered-To", async () => {
  await using world = await SimulatedWorld.start();
  const client = await world.client();
  await client.expect("mAiL fRoM:<Xy.Z@elsewhere.test> bOdY=8bitmime", "250");
  await client.expect("rcpt to:<ab.c@EXAMPLE.org>", "250");
  await client.expect("dAtA", "354");
  await client.expect("x\r\n.", "250");
  await world.quiet();
  const paths = world.files.paths.filter((path) => /\/new\//.test(path));
  assert.equal(paths.length, 1);
  const mail = String(Buffer.from(await world.files.readFile(paths[0] ?? "")));
  assert.match(mail, /^Return-Path: <Xy\.Z@elsewhere\.test>\n/);
});

test("SMTPC-023 HDR-001 HDR-010: what is relayed has one Received field more, on top, and is otherwise octet for octet the same", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test", { keywords: ["8BITMIME", "PIPELINING"] });
  const odd = Buffer.from(
    [
      "Received: garbage",
      "Received: from x by y with ESMTP id 1 state quarantine (why); Mon, 1 Jan 2001 00:00:00 +0000",
      "Received: from a by b;\r\n\tMon, 1 Jan 2001 00:00:00 +0000",
      "sUbJeCt :odd\r\n  folding \r\n \tand tabs",
      "Return-Path: <someone@else.test>",
      "X-Empty:",
      "",
      ".leading dot",
      "eight bits: \xe4\xf6\xfc\xff",
      "trailing white space \t",
      "",
      "",
    ].join("\r\n"),
    "latin1",
  );
  const client = await world.client("mx", relayClient);
  await client.expect("MAIL FROM:<a@sender.test> BODY=8BITMIME", "250");
  await client.expect("RCPT TO:<far@elsewhere.test>", "250");
  await client.expect("DATA", "354");
  client.write(
    Buffer.concat([Buffer.from(odd.toString("latin1").replaceAll("\r\n.", "\r\n.."), "latin1"), Buffer.from(".\r\n")]),
  );
  assert.match(await client.reply(), /^250 /);
  await world.quiet();
  const sent = peer.messages[0]?.content ?? assert.fail("nothing was relayed");
  const top = sent.subarray(0, sent.length - odd.length).toString();
  assert.ok(sent.subarray(sent.length - odd.length).equals(odd), "the message as it was accepted");
  assert.match(top, /^Received: from client\.test [^]*\r\n$/);
  assert.equal(top.match(/^\S/gm)?.length, 1, "one field");
});

test("EXT-013: all octets from 0x80 to 0xFF arrive at a relay and in a mailbox as they were sent", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test", { keywords: ["8BITMIME"] });
  const octets = Buffer.from(Array.from({ length: 128 }, (_, index) => 128 + index));
  const client = await world.client("mx", relayClient);
  await client.expect("MAIL FROM:<a@sender.test> BODY=8BITMIME", "250");
  await client.expect("RCPT TO:<far@elsewhere.test>", "250");
  await client.expect("RCPT TO:<ann@example.org>", "250");
  await client.expect("DATA", "354");
  client.write(Buffer.concat([Buffer.from("Subject: x\r\n\r\n"), octets, Buffer.from("\r\n.\r\n")]));
  assert.match(await client.reply(), /^250 /);
  await world.quiet();
  assert.ok(peer.messages[0]?.content.includes(octets));
  assert.match(peer.messages[0]?.mail ?? "", / BODY=8BITMIME/);
  assert.ok((await world.mailbox("ann@example.org"))[0]?.includes(octets));
});

test("LMTP-006: a route to LMTP delivers, and each recipient has the fate that its own reply says", async () => {
  await using world = await SimulatedWorld.start({
    route: [{ domain: "example.org", via: "lmtp", host: "127.0.0.1:2424" }],
  });
  const script = {
    dialect: "lmtp" as const,
    answer: ({ recipient }: { readonly recipient?: string }) =>
      recipient?.includes("bob@") ? "452 4.2.2 mailbox is full" : undefined,
  };
  await using store = await ScriptedPeer.listen(
    world.network,
    { kind: "ip", address: "127.0.0.1", port: 2424 },
    script,
  );
  const id = await world.accept("joe@elsewhere.test", ["ann@example.org", "bob@example.org"]);
  assert.deepEqual(store.verbs.slice(0, 1), ["LHLO"]);
  assert.equal(store.messages.length, 1, "one transaction for both");
  assert.deepEqual(await world.states(id), ["ann@example.org delivered", "bob@example.org scheduled"]);
  store.script = { dialect: "lmtp" };
  await world.advance(3_600_000);
  assert.deepEqual(await world.states(id), ["ann@example.org delivered", "bob@example.org delivered"]);
  assert.deepEqual(addresses(store).slice(2), ["bob@example.org"], "and only the one is tried again");
});

test("LMTP-005 LMTP-006: a store lost after its first reply: what it answered is final, the others alone are tried again", async () => {
  for (const [first, state] of [
    ["250 2.1.5 delivered", "delivered"],
    ["550 5.2.1 mailbox disabled", "failed"],
  ] as const) {
    for (const ending of [close, stall] as const) {
      const route = [{ domain: "example.org", via: "lmtp", host: "127.0.0.1:2424" } as const];
      await using world = await SimulatedWorld.start({ route });
      await using origin = await world.peer("origin.test");
      const endpoint = { kind: "ip", address: "127.0.0.1", port: 2424 } as const;
      let replies = 0;
      await using store = await ScriptedPeer.listen(world.network, endpoint, {
        dialect: "lmtp",
        answer: ({ verb }) => (verb !== "." ? undefined : ++replies === 1 ? first : ending),
      });
      const id = await world.accept("joe@origin.test", ["ann@example.org", "bob@example.org"]);
      // We are the ones who end, while the store is silent; or it is gone already.
      await world.stop();
      store.script = { dialect: "lmtp" };
      const before = addresses(store).length;
      await world.start({ route });
      assert.deepEqual(await world.states(id), [`ann@example.org ${state}`, "bob@example.org scheduled"]);
      await world.advance(2 * hour);
      assert.deepEqual(await world.states(id), [`ann@example.org ${state}`, "bob@example.org delivered"]);
      assert.deepEqual(addresses(store).slice(before), ["bob@example.org"]);
      assert.equal(origin.messages.length, state === "failed" ? 1 : 0, "a failure is reported once");
    }
  }
});

test("LMTP-005: an LMTP client lost after the first reply: each recipient has the message, once, also after a restart", async () => {
  await using world = await SimulatedWorld.start();
  const client = await world.client("lmtp");
  await client.expect("MAIL FROM:<joe@elsewhere.test>", "250");
  for (const name of ["ann", "bob"]) await client.expect(`RCPT TO:<${name}@example.org>`, "250");
  await client.expect("DATA", "354");
  // Both are in one commit before the first reply, so the reply that is not heard is as true as the one that is.
  await client.expect("Subject: x\r\n\r\nx\r\n.", "250 2.0.0 Ok: queued as ");
  client.connection.destroy();
  await world.stop();
  await world.start();
  await world.advance(hour);
  for (const name of ["ann", "bob"]) assert.equal((await world.mailbox(`${name}@example.org`)).length, 1, name);
});

test("LMTP-002: the LMTP listener replies for each recipient and what it accepted is delivered", async () => {
  await using world = await SimulatedWorld.start();
  const client = await world.client("lmtp");
  await client.expect("MAIL FROM:<joe@elsewhere.test>", "250");
  await client.expect("RCPT TO:<ann@example.org>", "250");
  await client.expect("RCPT TO:<nobody@example.org>", "550 5.1.1");
  await client.expect("RCPT TO:<far@elsewhere.test>", "550 5.1.2");
  await client.expect("RCPT TO:<bob@example.org>", "250");
  await client.expect("DATA", "354");
  await client.expect("Subject: x\r\n\r\nx\r\n.", "250");
  assert.match(await client.reply(), /^250 /);
  await world.quiet();
  assert.equal((await world.mailbox("ann@example.org")).length, 1);
  assert.equal((await world.mailbox("bob@example.org")).length, 1);
});

test("LIST-012: a disposition notification is for people's programs to send: we send none, and add no field for one", async () => {
  await using world = await SimulatedWorld.start();
  await using origin = await world.peer("origin.test");
  await using far = await world.peer("elsewhere.test", { keywords: ["DSN"] });
  const asking = [
    "From: joe@origin.test",
    "Disposition-Notification-To: Joe <joe@origin.test>",
    "Disposition-Notification-Options: signed-receipt-protocol=optional,pkcs7-signature",
    "Return-Receipt-To: joe@origin.test",
    "Original-Recipient: rfc822;somebody@else.test",
    "Subject: read me",
    "",
    "x",
  ].join("\r\n");
  const client = await world.client();
  await client.expect("MAIL FROM:<joe@origin.test>", "250");
  for (const name of ["ann", "single"]) {
    await client.expect(`RCPT TO:<${name}@example.org> ORCPT=rfc822;${name}@first.test NOTIFY=FAILURE`, "250");
  }
  await client.expect("DATA", "354");
  await client.expect(`${asking}\r\n.`, "250");
  await world.advance(hour);
  const copies = [...(await world.mailbox("ann@example.org")), ...far.messages.map(({ content }) => content)];
  assert.equal(copies.length, 2, "in the mailbox, and where the alias leads");
  for (const copy of copies.map((octets) => octets.toString().replaceAll("\r\n", "\n"))) {
    assert.ok(copy.endsWith(asking.replaceAll("\r\n", "\n").concat("\n")), "the author's fields as they came");
    assert.deepEqual(copy.match(/^(?:Original-Recipient|Disposition-Notification-To):.*$/gim), [
      "Disposition-Notification-To: Joe <joe@origin.test>",
      "Original-Recipient: rfc822;somebody@else.test",
    ]);
  }
  assert.equal(origin.sessions, 0);
});

test("LIST-001 LIST-002 DSN-018: an alias leads to a mailbox and elsewhere; told so, it keeps the sender everywhere, the null one too", async () => {
  await using world = await SimulatedWorld.start({ forwarding: { rewrite_sender: false } });
  await using peer = await world.peer("elsewhere.test");
  await (await world.client()).send("joe@origin.test", "info@example.org", "From: joe@origin.test\r\n\r\nx");
  await (
    await world.client()
  ).send("<>", "info@example.org", "From: postmaster@origin.test\r\nSubject: a bounce\r\n\r\nx");
  await world.quiet();
  const mails = (await world.mailbox("ann@example.org")).map(String);
  assert.deepEqual(mails.map((mail) => /^Return-Path: (.*)/.exec(mail)?.[1] ?? "").toSorted(), [
    "<>",
    "<joe@origin.test>",
  ]);
  assert.ok(
    mails.some((mail) => /^From: joe@origin\.test$/m.test(mail)),
    "the author is not touched",
  );
  assert.deepEqual(peer.messages.map(({ mail }) => /<.*?>/.exec(mail)?.[0] ?? "").toSorted(), [
    "<>",
    "<joe@origin.test>",
  ]);
  assert.deepEqual(addresses(peer), ["far@elsewhere.test", "far@elsewhere.test"]);
});

test("SUB-013: recipients of a submission keep the letters they were written with", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test");
  const client = await world.submitter();
  await client.send("ann@example.org", "MiXeD.CaSe@elsewhere.test", "From: ann@example.org\r\nSubject: x\r\n\r\nx");
  await world.quiet();
  assert.deepEqual(addresses(peer), ["MiXeD.CaSe@elsewhere.test"]);
});

test("SUB-006 SUB-014: a submission leaves with Date and Message-ID and without Bcc; relayed mail is not touched", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test");
  const content = "From: ann@example.org\r\nBcc: secret@elsewhere.test\r\nSubject: x\r\n\r\nx";
  await (await world.submitter()).send("ann@example.org", "far@elsewhere.test", content);
  await world.accept("ann@example.org", "far@elsewhere.test", content);
  const [submitted = "", relayed = ""] = peer.messages.map((message) => String(message.content));
  assert.match(submitted, /^Date: /m);
  assert.match(submitted, /^Message-ID: <[^<>@\s]+@mail\.example\.org>\r$/m);
  assert.doesNotMatch(submitted, /secret/);
  assert.doesNotMatch(relayed, /^(Date|Message-ID): /m);
  assert.match(relayed, /^Bcc: secret/m);
});

test("EAI-010 EAI-006: the need for SMTPUTF8 is the message's, through a refusal for now and a restart", async () => {
  const world = new SimulatedWorld();
  await world.start();
  await using peer = await world.peer("elsewhere.test", {
    keywords: ["SMTPUTF8", "8BITMIME"],
    answer: ({ verb }) => (verb === "MAIL" ? "451 4.3.0 later" : undefined),
  });
  const client = await world.client("mx", relayClient);
  const deferred = [
    await client.send("<jö@sender.test> SMTPUTF8", "far@elsewhere.test", "Subject: plain\r\n\r\nx"),
    await client.send("<joe@sender.test> SMTPUTF8", "far@elsewhere.test", "Subject: grün\r\n\r\nx"),
    await client.send("<joe@sender.test> SMTPUTF8", "far@elsewhere.test", "Subject: plain\r\n\r\nx"),
  ];
  await world.quiet();
  await world.stop();
  peer.script = { keywords: ["SMTPUTF8", "8BITMIME"] };
  await world.start();
  await world.advance(3_600_000);
  for (const id of deferred) assert.deepEqual(await world.states(id), ["far@elsewhere.test relayed"]);
  const needs = peer.messages.map(({ mail, content }) => {
    const subject = String(content).includes("Subject: grün") ? "grün" : "plain";
    return `${subject} ${mail.replace(/ SIZE=\d+/, "").replace("MAIL FROM:", "")}`;
  });
  assert.deepEqual(needs.toSorted(), [
    "grün <joe@sender.test> BODY=8BITMIME SMTPUTF8",
    "plain <joe@sender.test>",
    "plain <jö@sender.test> SMTPUTF8",
  ]);
  await world[Symbol.asyncDispose]();
});

test("EAI-005: octets of another character set in a header are no reason to keep mail from a server without SMTPUTF8", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test", { keywords: ["8BITMIME"] });
  const client = await world.client("mx", relayClient);
  await client.expect("MAIL FROM:<joe@sender.test> BODY=8BITMIME", "250");
  await client.expect("RCPT TO:<far@elsewhere.test>", "250");
  await client.expect("DATA", "354");
  client.write(Buffer.from("Subject: gr\xfcn\r\n\r\nx\r\n.\r\n", "latin1"));
  assert.match(await client.reply(), /^250 /);
  await world.quiet();
  assert.match(peer.messages[0]?.content.toString("latin1") ?? "", /Subject: gr\xfcn\r\n/);
});

test("EAI-005 EAI-010: a raw UTF-8 header goes as it came to a server without SMTPUTF8, after a restart, too", async () => {
  const keywords = ["8BITMIME"];
  const world = new SimulatedWorld();
  await world.start();
  await using peer = await world.peer("elsewhere.test", {
    keywords,
    answer: ({ verb }) => (verb === "MAIL" ? "451 4.3.0 later" : undefined),
  });
  const client = await world.client("mx", relayClient);
  const nested =
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b\r\n" +
    'Content-Disposition: attachment; filename="Rechnung Müller.pdf"\r\n\r\nx\r\n--b--';
  const contents = ["Subject: grün\r\n\r\nx", 'From: "Jörg" <j@sender.test>\r\n\r\nx', nested];
  const sent: string[] = [];
  for (const content of contents) {
    sent.push(await client.send("<joe@sender.test> BODY=8BITMIME", "far@elsewhere.test", content));
  }
  await world.quiet();
  await world.stop();
  peer.script = { keywords };
  await world.start();
  await world.advance(3_600_000);
  for (const id of sent) assert.deepEqual(await world.states(id), ["far@elsewhere.test relayed"]);
  const arrived = peer.messages.map(({ content }) => String(content));
  for (const content of contents) assert.ok(arrived.some((text) => text.endsWith(`\r\n${content}\r\n`)));
  for (const { mail } of peer.messages) assert.match(mail, / BODY=8BITMIME$/);
  await world[Symbol.asyncDispose]();
});

test("SMUG-009: repaired line ends are repaired before anything reads the header or keeps the content", async () => {
  const listener = baseSettings.listener?.map((one) => ({ ...one, bare_line_ends: "repair" as const })) ?? [];
  await using world = await SimulatedWorld.start({ listener });
  await using peer = await world.peer("elsewhere.test");
  const content = "From: ann@example.org\nBcc: secret@elsewhere.test\nSubject: x\n\nline\rline\r\n";
  await (await world.submitter()).send("ann@example.org", "far@elsewhere.test", content);
  await world.quiet();
  const sent = String(peer.messages[0]?.content);
  assert.match(sent, /\r\nFrom: ann@example\.org\r\nSubject: x\r\n\r\nline\r\nline\r\n/);
  assert.doesNotMatch(sent, /[^\r]\n|\r(?!\n)|secret/);
});

test("SMUG-009: what is signed is the repaired content, so that the signature holds on the octets that leave", async () => {
  const listener = baseSettings.listener?.map((one) => ({ ...one, bare_line_ends: "repair" as const })) ?? [];
  await using world = await SimulatedWorld.start({
    listener,
    dkim: { require_published: false, key: [{ domain: "example.org", selector: "s1", key: testKey("rsa") }] },
  });
  world.resolver.add("s1._domainkey.example.org", "TXT", recordText(createPrivateKey(testKey("rsa"))));
  await using peer = await world.peer("elsewhere.test");
  const content = "From: ann@example.org\nSubject: x\n\nline\rline\n.\nline\r\n";
  await (await world.submitter()).send("ann@example.org", "far@elsewhere.test", content);
  await world.quiet();
  const sent = peer.messages[0]?.content ?? assert.fail();
  assert.doesNotMatch(sent.toString("latin1"), /[^\r]\n|\r(?!\n)/);
  const bodies = new BodyHashes();
  const verifier = new DkimVerifier(parseHeaderFields(sent), bodies, {
    resolver: world.resolver,
    now: world.clock.now(),
  });
  bodies.push(sent.subarray(sent.indexOf("\r\n\r\n") + 2));
  bodies.end();
  assert.deepEqual(
    (await verifier.finish()).map(({ result, domain }) => `${result} ${domain}`),
    ["pass example.org"],
  );
});

test("SMTP-034: lines of a thousand octets and messages over 64 KiB arrive whole", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test");
  const content = `Subject: x\r\n\r\n${`${"x".repeat(998)}\r\n`.repeat(100)}end`;
  await world.accept("joe@origin.test", ["ann@example.org", "far@elsewhere.test"], content);
  assert.ok(String(peer.messages[0]?.content).endsWith(`${content}\r\n`));
  assert.ok(String((await world.mailbox("ann@example.org"))[0]).endsWith(`${content.replaceAll("\r\n", "\n")}\n`));
});

test("SMTPC-016 SMTP-036 SMTP-037: 150 recipients at a peer that takes a hundred are two transactions, each recipient once", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test", {
    answer: ({ verb, recipients }) => (verb === "RCPT" && recipients > 100 ? "452 4.5.3 too many" : undefined),
  });
  const all = Array.from({ length: 150 }, (_, index) => `user${index}@elsewhere.test`);
  const id = await world.accept("joe@origin.test", all);
  await world.advance(10_000);
  assert.ok((await world.states(id)).every((state) => state.endsWith(" relayed")));
  assert.deepEqual(new Set(addresses(peer)), new Set(all));
  assert.equal(addresses(peer).length, 150);
  assert.equal(peer.messages.length, 2);
});

test("SMTP-013 SMTP-014 trap 11: one session's messages keep their own recipients, also after one that was refused", async () => {
  await using world = await SimulatedWorld.start({ limits: { message_size: "1KB" } });
  const client = await world.client();
  await client.send("a@origin.test", "ann@example.org", "From: a@origin.test\r\nSubject: one\r\n\r\nx");
  await client.expect("MAIL FROM:<b@origin.test>", "250");
  await client.expect("RCPT TO:<ann@example.org>", "250");
  await client.expect("DATA", "354");
  await client.expect(`Subject: too large\r\n\r\n${"x".repeat(900)}\r\n${"x".repeat(900)}\r\n.`, "552 5.3.4");
  await client.expect("RCPT TO:<bob@example.org>", "503");
  await client.expect("DATA", "503");
  await client.send("c@origin.test", "bob@example.org", "From: c@origin.test\r\nSubject: three\r\n\r\nx");
  await world.quiet();
  const subjects = async (address: string) =>
    (await world.mailbox(address)).map((mail) => /^Subject: (.*)$/m.exec(String(mail))?.[1]);
  assert.deepEqual(await subjects("ann@example.org"), ["one"]);
  assert.deepEqual(await subjects("bob@example.org"), ["three"]);
});

test("SMTP-033: postmaster is at every domain of ours, in any case, and reaches somebody", async () => {
  await using world = await SimulatedWorld.start();
  const client = await world.client();
  const paths = [
    "<PostMaster>",
    "<POSTMASTER@example.org>",
    "<postmaster@mail.example.org>",
    "<postmaster@xn--bcher-kva.example>",
  ];
  for (const path of paths) await client.send("<>", path, "Subject: help\r\n\r\nx");
  await world.quiet();
  assert.equal(world.log.of("recipient-delivered").length, paths.length);
});

test("content without a header stands below an empty line wherever our fields are put on top of it", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test", { keywords: ["8BITMIME", "PIPELINING"] });
  const client = await world.client("mx", relayClient);
  for (const recipient of ["far@elsewhere.test", "ann@example.org"]) {
    await client.send(
      "a@sender.test",
      recipient,
      "hello\r\nFrom: ceo@bank.test\r\nAuthentication-Results: x; dmarc=pass",
    );
  }
  await world.quiet();
  const relayed = peer.messages[0]?.content.toString("latin1") ?? "";
  assert.match(relayed, /^Received: [^]*?\r\n\r\nhello\r\nFrom: ceo@bank\.test\r\n/);
  const [mail] = (await world.mailbox("ann@example.org")).map(String);
  assert.match(mail ?? "", /^Return-Path: [^]*?\nReceived: [^]*?\n\nhello\nFrom: ceo@bank\.test\n/);
  for (const text of [relayed, mail ?? ""]) {
    const header = parseHeaderFields(Buffer.from(text.replaceAll(/\r?\n/g, "\r\n"))).fields.map(({ name }) => name);
    assert.ok(!header.includes("from") && !header.includes("authentication-results"), header.join());
  }
});
