/** DATA and BDAT: what is stored, what is refused, and that nothing stays behind a refusal. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { settle } from "../testing/manual-clock.ts";
import { SpoolError, type MessageWriter, type Spool } from "../spool/spool.ts";
import { explain } from "../history/explain.ts";
import { ReceivingServer } from "../testing/receiving-server.ts";

/** The spool with its writer's commit (or append) replaced. */
function failing(change: (writer: MessageWriter) => Partial<MessageWriter>): (spool: Spool) => Pick<Spool, "begin"> {
  return (spool) => ({
    begin: () => {
      const writer = spool.begin();
      return {
        get size() {
          return writer.size;
        },
        append: (bytes) => writer.append(bytes),
        commit: (message, options) => writer.commit(message, options),
        abort: () => writer.abort(),
        [Symbol.asyncDispose]: () => writer.abort(),
        ...change(writer),
      };
    },
  });
}

test("SMTP-038 SMTP-039: content is stored octet for octet, without the dots that were stuffed", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  await client.envelope("<s@x.example> BODY=8BITMIME", "<ann@example.org>");
  const high = Array.from({ length: 128 }, (_, index) => String.fromCharCode(128 + index)).join("");
  await client.content(`Subject: x\r\n\r\n..\r\n...\r\n..x\r\n${high}\r\n`);
  assert.equal((await server.onlyMessage()).content, `Subject: x\r\n\r\n.\r\n..\r\n.x\r\n${high}\r\n\r\n`);
});

test("content that arrives octet by octet is stored as content that arrives whole", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  const text = "Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\nSubject: pieces\r\n\r\nbody\r\n..dot\r\n";
  await client.envelope("<s@x.example>", "<ann@example.org>");
  await client.expect("DATA", "354");
  for (const octet of `${text}.\r\n`) {
    client.send(octet);
    await Promise.resolve();
  }
  assert.match(await client.reply(), /^250 /);
  const { content, message } = await server.onlyMessage();
  assert.equal(content, text.replace("..dot", ".dot"));
  assert.equal(message.facts.receivedCount, 1);
  assert.equal(message.facts.subject, "pieces");
  assert.equal(message.size, content.length);
});

test("SMTP-014, trap 11: after a refused end of data nothing of the transaction is left", async () => {
  await using server = await ReceivingServer.open({ hopLimit: 10 });
  const client = await server.client("mx");
  await client.envelope("<s@x.example>", "<ann@example.org>");
  const received = "Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n".repeat(10);
  assert.match(await client.content(`${received}Subject: x\r\n\r\nhello`), /^554 5\.4\.6 /);
  await client.expect("RCPT TO:<ann@example.org>", "503");
  await client.expect("DATA", "503");
  await client.envelope("<s@x.example>", "<bob@example.org>");
  await client.content("Subject: good\r\n\r\nhello");
  const { recipients, message } = await server.onlyMessage();
  assert.equal(recipients.length, 1);
  assert.equal(message.facts.subject, "good");
  assert.equal(server.log.of("content-refused")[0]?.["reason"], "too-many-hops");
});

test("SMTP-019: a connection lost before the final dot leaves nothing; one lost after 250 leaves the message", async () => {
  await using server = await ReceivingServer.open();
  const cut = await server.client("mx");
  await cut.envelope("<s@x.example>", "<ann@example.org>");
  await cut.expect("DATA", "354");
  cut.send("Subject: lost\r\n\r\nhello\r\n");
  await settle();
  cut.connection.destroy();
  const kept = await server.client("mx");
  await kept.envelope("<s@x.example>", "<ann@example.org>");
  await kept.content("Subject: kept\r\n\r\nhello");
  kept.connection.destroy();
  await settle();
  assert.equal((await server.onlyMessage()).message.facts.subject, "kept");
  assert.equal((await server.spool.stats()).scheduled, 1);
  assert.deepEqual(
    server.log.of("session-closed").map(({ cause }) => cause),
    ["lost", "lost"],
  );
});

test("SMTP-040 SMTP-041: a failed commit is 451, a full disk 452, and neither leaves anything", async () => {
  const faults: Error[] = [
    new SpoolError("failed", "the disk is gone"),
    new SpoolError("no-space", "full"),
    new Error("bug"),
  ];
  await using server = await ReceivingServer.open({
    spool: failing((writer) => ({
      commit: (message, options) => {
        const fault = faults.shift();
        return fault === undefined ? writer.commit(message, options) : Promise.reject(fault);
      },
    })),
  });
  const client = await server.client("mx");
  for (const code of [/^451 4\.3\.0 /, /^452 4\.3\.1 /, /^451 4\.3\.0 /, /^250 2\.0\.0 /]) {
    await client.envelope("<s@x.example>", "<ann@example.org>");
    assert.match(await client.content("Subject: x\r\n\r\nhello"), code);
    await client.expect("RCPT TO:<ann@example.org>", "503");
  }
  assert.equal((await server.messages()).length, 1);
  assert.equal((await server.spool.stats()).scheduled, 1);
  assert.deepEqual(
    server.log.names.filter((name) => name === "spool-failed" || name === "internal-error"),
    ["spool-failed", "spool-failed", "internal-error"],
  );
});

test("SMTP-041, trap 40: the reply comes after the commit, not before", async () => {
  let commit: (() => void) | undefined;
  await using server = await ReceivingServer.open({
    spool: failing((writer) => ({
      commit: async (message, options) => {
        await new Promise<void>((resolve) => {
          commit = resolve;
        });
        return await writer.commit(message, options);
      },
    })),
  });
  const client = await server.client("mx");
  await client.envelope("<s@x.example>", "<ann@example.org>");
  await client.expect("DATA", "354");
  client.send("Subject: x\r\n\r\nhello\r\n.\r\nNOOP\r\n");
  await settle();
  assert.equal(await client.unread(), "");
  assert.ok(commit);
  commit();
  assert.match(await client.reply(), /^250 2\.0\.0 Ok: queued as /);
  assert.match(await client.reply(), /^250 /);
});

test("SMTP-019: a client that leaves while its message is committed aborts nothing, and the mail goes its way", async () => {
  let commit: (() => void) | undefined;
  let aborted = 0;
  await using server = await ReceivingServer.open({
    claim: { leaseMs: 60_000, retryDelaysMs: [300_000] },
    spool: failing((writer) => ({
      commit: async (message, options) => {
        await new Promise<void>((resolve) => {
          commit = resolve;
        });
        return await writer.commit(message, options);
      },
      abort: async () => {
        aborted++;
      },
    })),
  });
  const client = await server.client("mx");
  await client.envelope("<s@x.example>", "<ann@example.org>");
  await client.expect("DATA", "354");
  client.send("Subject: x\r\n\r\nhello\r\n.\r\n");
  await settle();
  client.connection.destroy();
  await settle();
  assert.ok(commit);
  commit();
  await settle();
  const { message } = await server.onlyMessage();
  assert.deepEqual(
    server.accepted.map((claimed) => claimed?.message.id),
    [message.id],
  );
  assert.equal(aborted, 0);
});

test("SMTP-042 SUB-008: a commit that never ends costs the connection after two minutes, with no reply either way", async () => {
  await using server = await ReceivingServer.open({
    spool: failing(() => ({ commit: () => new Promise(() => undefined) })),
  });
  const client = await server.client("mx");
  await client.envelope("<s@x.example>", "<ann@example.org>");
  await client.expect("DATA", "354");
  client.send("Subject: x\r\n\r\nhello\r\n.\r\n");
  await settle();
  await server.clock.advance(119_000);
  assert.equal(server.inbound.sessions, 1);
  await server.clock.advance(600_000);
  assert.equal(server.inbound.sessions, 0);
  assert.equal(await client.unread(), "");
});

test("a write that fails while content arrives drains the rest and is answered 451", async () => {
  await using server = await ReceivingServer.open({
    spool: failing(() => ({ append: () => Promise.reject(new SpoolError("failed", "file is gone")) })),
  });
  const client = await server.client("mx");
  await client.envelope("<s@x.example>", "<ann@example.org>");
  await client.expect("DATA", "354");
  client.send("Subject: x\r\n\r\nhello\r\n");
  await settle();
  client.send(`${"more\r\n".repeat(1000)}.\r\nNOOP\r\n`);
  assert.match(await client.reply(), /^451 4\.3\.0 /);
  assert.match(await client.reply(), /^250 /);
  await client.expect("RCPT TO:<ann@example.org>", "503");
  assert.equal((await server.messages()).length, 0);
});

test("while the spool asks to wait the client is not read without bound, and all arrives in order", async () => {
  const waiting: (() => void)[] = [];
  await using server = await ReceivingServer.open({
    spool: failing((writer) => ({
      append: (bytes) => {
        writer.append(bytes);
        return new Promise<void>((resolve) => waiting.push(resolve));
      },
    })),
  });
  const client = await server.client("mx");
  await client.envelope("<s@x.example>", "<ann@example.org>");
  await client.expect("DATA", "354");
  const lines = Array.from({ length: 4000 }, (_, index) => `${String(index).padStart(98, "x")}\r\n`);
  client.send("Subject: big\r\n\r\n");
  for (let from = 0; from < lines.length; from += 100) client.send(lines.slice(from, from + 100).join(""));
  client.send(".\r\n");
  await settle();
  assert.ok(waiting.length <= 2, "more than one event was handed on");
  const unread = client.connection.bufferedBytes;
  assert.ok(unread > 50_000, `only ${unread} octets were left unread`);
  while (waiting.length > 0) {
    waiting.shift()?.();
    await settle();
  }
  assert.match(await client.reply(), /^250 /);
  assert.ok((await server.onlyMessage()).content === `Subject: big\r\n\r\n${lines.join("")}`);
});

test("EXT-003: a message above the limit is drained, refused once, and the session goes on", async () => {
  await using server = await ReceivingServer.open({ limits: { message_size: "1KB" } });
  const client = await server.client("mx");
  await client.envelope("<s@x.example>", "<ann@example.org>");
  assert.match(await client.content(`Subject: x\r\n\r\n${"x".repeat(98)}\r\n`.repeat(20)), /^552 5\.3\.4 /);
  await client.expect("NOOP", "250");
  assert.equal((await server.messages()).length, 0);
  assert.deepEqual(
    server.log.of("content-refused").map(({ reason, setting }) => [reason, setting]),
    [["too-large", "limits.message_size"]],
  );
});

test("a header section above its limit is refused, and is never held in memory beyond it", async () => {
  await using server = await ReceivingServer.open({ limits: { header_size: "64KiB" } });
  const client = await server.client("mx");
  await client.envelope("<s@x.example>", "<ann@example.org>");
  assert.match(await client.content(`X-Long: ${"x".repeat(900)}\r\n`.repeat(100)), /^552 5\.3\.4 /);
  await client.expect("NOOP", "250");
  assert.equal(server.log.of("content-refused")[0]?.["reason"], "header-too-large");
});

test("EXT-001: on a disk that is nearly full MAIL is put off with 452", async () => {
  await using server = await ReceivingServer.open({ space: 1_000_000, limits: { free_space: "900KB" } });
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<s@x.example>", "250");
  await client.expect("RSET", "250");
  await client.expect("MAIL FROM:<s@x.example> SIZE=200000", "452 4.3.1");
});

test("SMTP-045: mail without Date, with garbage in Received, is taken as it is; without any header it begins with an empty line", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  const contents = ["Received: garbage\r\nResent-To: x\r\n\r\nbody", "no header at all", ""];
  for (const text of contents) {
    await client.envelope("<s@x.example>", "<ann@example.org>");
    assert.match(await client.content(text), /^250 /);
  }
  const messages = await server.messages();
  assert.deepEqual(
    messages.map(({ content }) => content),
    ["Received: garbage\r\nResent-To: x\r\n\r\nbody\r\n", "\r\nno header at all\r\n", "\r\n"],
  );
});

test("HDR-001 HDR-002 HDR-003: one Received field is put in front, with what the client said and was", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx", "2001:db8::7");
  await client.envelope("<s@x.example>", "<ann@example.org>");
  await client.content("Received: a\r\nReceived: b\r\nReceived: c\r\nSubject: x\r\n\r\nhello");
  await client.envelope("<s@x.example>", "<ann@example.org>", "<bob@example.org>");
  await client.content("Subject: x\r\n\r\nhello");
  const [one, two] = await server.messages();
  const block = one?.message.headerBlock.replaceAll(/\r\n[ \t]+/g, " ") ?? "";
  assert.match(
    block,
    /^Received: from client\.test \(\[IPv6:2001:db8::7\]\) by mail\.example\.org with ESMTP id [0-9A-Z]{12} for <ann@example\.org>; Thu, 1 Jan 2026 00:00:00 \+0000\r\n$/,
  );
  assert.ok(block.includes(one?.message.id ?? "?"));
  assert.equal(one?.message.facts.receivedCount, 3);
  assert.ok(one?.content.startsWith("Received: a\r\nReceived: b\r\n"));
  assert.doesNotMatch(two?.message.headerBlock ?? "", / for </);
});

test("HDR-005, trap 6: whatever the client calls itself, our field is one field with whole lines", async () => {
  await using server = await ReceivingServer.open();
  const names = ["a)(b", '"x"', "a;b", `${"n".repeat(200)}.test`, "[127.0.0.1]", "x(by evil with ESMTP)"];
  for (const name of names) {
    const client = await server.dial("mx");
    await client.reply();
    const hello = await client.expect(`HELO ${name}`, "").then((reply) => reply.slice(0, 3));
    if (hello === "501") continue;
    await client.envelope("<s@x.example>", "<ann@example.org>");
    await client.content("Subject: x\r\n\r\nhello");
  }
  const messages = await server.messages();
  assert.ok(messages.length > 0);
  for (const { message } of messages) {
    assert.match(message.headerBlock, /^Received:[^\r\n]*(?:\r\n[ \t][^\r\n]+)*\r\n$/);
    assert.ok(message.headerBlock.split("\r\n").every((line) => line.length <= 998));
    assert.equal(message.headerBlock.match(/ by |\tby /g)?.length, 1);
    assert.equal(message.origin.protocol, "SMTP");
  }
});

test("the history of a message begins with who sent it, how, and why it was taken", async () => {
  await using server = await ReceivingServer.open({ claim: { leaseMs: 60_000, retryDelaysMs: [300_000] } });
  const client = await server.client("mx");
  await client.envelope("<s@x.example>", "<Ann+tag@example.org>");
  await client.content("Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\nhello");
  const { events, message, recipients } = await server.onlyMessage();
  assert.deepEqual(events, [
    {
      kind: "message-accepted",
      at: server.clock.now(),
      message: message.id,
      from: "s@x.example",
      recipients: ["Ann+tag@example.org"],
      size: message.size,
      client: "198.51.100.7",
      protocol: "ESMTP",
      subject: "grüße",
      decisions: [
        {
          address: "Ann+tag@example.org",
          reason: "local-user",
          setting: "user ann@example.org",
          rule: "recipient-existence",
        },
      ],
    },
  ]);
  assert.equal(server.accepted[0]?.message.id, message.id);
  assert.equal(recipients[0]?.state, "claimed");
  assert.equal(message.origin.hello, "client.test");
});

test("traps 1 to 4: no line end but CRLF ends content, whatever the listener", async () => {
  const endings = ["\n.\n", "\n.\r\n", "\r\n.\n", "\r\n.\r", "\r.\r", "\r.\r\n", "\r\r\n.\r\r\n"];
  for (const ending of endings) {
    await using server = await ReceivingServer.open();
    const client = await server.client("mx");
    await client.envelope("<s@x.example>", "<ann@example.org>");
    await client.expect("DATA", "354");
    const smuggled =
      "MAIL FROM:<evil@x.example>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: forged\r\n\r\nx\r\n.\r\n";
    client.send(`Subject: x\r\n\r\nhello${ending}${smuggled}`);
    assert.match(await client.reply(), /^550 5\.5\.2 /, JSON.stringify(ending));
    await client.expect("NOOP", "250");
    assert.equal((await server.messages()).length, 0, JSON.stringify(ending));
  }
});

test("SMUG-010, trap 5: each listener refuses bare line ends in the same way", async () => {
  await using server = await ReceivingServer.open();
  for (const kind of ["mx", "submission", "lmtp"] as const) {
    const client = kind === "submission" ? await server.submitter() : await server.client(kind);
    await client.envelope("<ann@example.org>", "<ann@example.org>");
    assert.match(await client.content("From: ann@example.org\r\n\r\nhello\nworld"), /^550 5\.5\.2 /, kind);
  }
  assert.equal((await server.messages()).length, 0);
});

test("trap 3: a listener that repairs bare line ends makes no second message of them", async () => {
  await using server = await ReceivingServer.open({ bareLineEnds: "repair" });
  const client = await server.submitter();
  await client.envelope("<ann@example.org>", "<bob@example.org>");
  const text = "From: ann@example.org\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\nhello";
  await client.content(`${text}\n.\nMAIL FROM:<evil@x>\r.\rend`);
  const { content } = await server.onlyMessage();
  assert.ok(content.includes("MAIL FROM:<evil@x>"));
  assert.equal(/(?<!\r)\n|\r(?!\n)/.test(content), false);
  assert.deepEqual(
    server.log.of("content-repaired").map(({ repairs, hint }) => ({ repairs, hint })),
    [{ repairs: ["bare-lf"], hint: undefined }],
  );
});

test("a bare CR in the header section is refused also where line ends are repaired, and LF there is not", async () => {
  await using server = await ReceivingServer.open({ bareLineEnds: "repair" });
  const client = await server.submitter();
  const send = async (content: string, via: "DATA" | "BDAT") => {
    await client.envelope("<ann@example.org>", "<bob@example.org>");
    if (via === "DATA") return await client.content(content);
    client.send(`BDAT ${content.length} LAST\r\n${content}`);
    return await client.reply();
  };
  for (const via of ["DATA", "BDAT"] as const) {
    for (const header of [
      "From: ann@example.org\rBcc: x@example.net\n\nbody\n",
      "From: ann@example.org\r\r\n\r\nbody\n",
      "From: ann@example.org\r\n\rbody\n",
    ]) {
      assert.match(await send(header, via), /^554 5\.6\.0 The header section has /, `${via} ${JSON.stringify(header)}`);
    }
    assert.match(await send("From: ann@example.org\nX: a\rb\n\nbody\n", via), /: CR in the field "X", character 5$/);
    assert.match(await send("From: ann@example.org\nSubject: x\n\n\rb\rc\n", via), /^250 /);
  }
  for (const { content } of await server.messages()) {
    assert.match(content, /^(?:[^\r\n]+\r\n)+Subject: x\r\n\r\n\r\nb\r\nc\r\n(?:\r\n)?$/);
  }
});

test("posthaste dev tells of a repaired line end with a hint", async () => {
  await using server = await ReceivingServer.open({ bareLineEnds: "repair", development: true });
  const client = await server.client("submission");
  await client.envelope("<ann@example.org>", "<bob@example.net>");
  await client.content("From: ann@example.org\nSubject: x\n\nbody\n");
  const [event] = server.log.of("content-repaired");
  assert.match(String(event?.["hint"]), /CRLF/);
});

test("an mbox line ahead of the header is left out, cut anywhere, and the history says so", async () => {
  for (const line of [
    "From root Fri Feb 14 08:55:52 2014",
    ">From root Fri Feb 14 08:55:52 2014",
    "From ann@web1.example.org",
  ]) {
    const content = `${line}\r\nFrom: root@web1.example\r\nSubject: nightly report\r\n\r\nbody\r\n`;
    for (const chunkBytes of [1, 7, 1000]) {
      await using server = await ReceivingServer.open({ chunkBytes });
      const client = await server.client("mx");
      await client.envelope("<s@x.example>", "<ann@example.org>");
      assert.match(await client.content(content), /^250 /);
      const { content: stored, message } = await server.onlyMessage();
      assert.equal(stored, `${content.slice(line.length + 2)}\r\n`);
      assert.equal(message.facts.subject, "nightly report");
      const { timeline = [] } = (await explain(server.spool, message.id, { now: 0, expireMs: 0 })) ?? {};
      assert.match(timeline[0]?.details?.join(" ") ?? "", /The line "From …" of a mailbox file, .* was left out\./);
      assert.deepEqual(
        server.log.of("content-repaired").map(({ repairs }) => repairs),
        [["mbox-line"]],
      );
    }
  }
});

test("a field with white space before its colon is no mbox line", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  await client.envelope("<s@x.example>", "<ann@example.org>");
  await client.content("From : x@y.example\r\nSubject: x\r\n\r\nbody\r\n");
  const { content, message } = await server.onlyMessage();
  assert.ok(content.startsWith("From : x@y.example\r\n"));
  assert.equal(message.facts.from, "x@y.example");
  assert.deepEqual(server.log.of("content-repaired"), []);
});

test("EXT-018, trap 14: BDAT without a transaction is 503 and its octets are no commands", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  client.send("BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
  assert.match(await client.reply(), /^503 /);
  assert.match(await client.reply(), /^250 /);
});

test("EXT-017 EXT-022 EXT-023: chunks are stored as they are, binary ones too", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  await client.envelope("<s@x.example> BODY=BINARYMIME", "<ann@example.org>");
  await client.expect("DATA", "503");
  const first = "Subject: x\r\n\r\n.\r\n";
  const second = "a\0b\rc\nd";
  client.send(`BDAT ${first.length}\r\n${first}BDAT ${second.length} LAST\r\n${second}`);
  assert.match(await client.reply(), /^250 /);
  assert.match(await client.reply(), /^250 2\.0\.0 Ok: queued as /);
  const { content, message } = await server.onlyMessage();
  assert.equal(content, first + second);
  assert.equal(message.body, "BINARYMIME");
  assert.equal(message.facts.binary, true);
});

test("content that begins with white space would go on with our own Received, and is refused", async () => {
  await using server = await ReceivingServer.open();
  for (const kind of ["mx", "lmtp", "submission"] as const) {
    const client = kind === "submission" ? await server.submitter() : await server.client(kind);
    for (const white of [" x", "\t", " "]) {
      await client.envelope("<ann@example.org>", "<ann@example.org>");
      const text = `${white}\r\nFrom: The Bank <ceo@bank.test>\r\nAuthentication-Results: mail.example.org; dmarc=pass\r\n\r\npay`;
      assert.match(await client.content(text), /^554 5\.6\.0 .*white space/);
    }
  }
  assert.deepEqual(await server.messages(), []);
  assert.equal(server.log.of("content-refused")[0]?.["reason"], "header-begins-with-white-space");
});

test("a line that is no field ends the header for every reader: an empty line stands before it", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  const cases = [
    ["Subject: x\r\nno field\r\nFrom: ceo@bank.test\r\n\r\npay", "Subject: x\r\n\r\nno field\r\n"],
    ["From ann@x.test Thu Jan  1 00:00:00 2026\r\nno field\r\nFrom: ceo@bank.test\r\n\r\npay", "\r\nFrom ann@x.test "],
    ["From ann\tx\x00\r\nFrom: ceo@bank.test\r\n\r\npay", "\r\nFrom ann\tx"],
    [": x\r\nFrom: ceo@bank.test\r\n\r\npay", "\r\n: x\r\n"],
  ] as const;
  for (const [text] of cases) {
    await client.envelope("<s@x.example>", "<ann@example.org>");
    assert.match(await client.content(text), /^250 /);
  }
  for (const [index, { content, message }] of (await server.messages()).entries()) {
    assert.ok(content.startsWith(cases[index]?.[1] ?? "?"), content);
    assert.equal(message.facts.from, undefined);
    assert.equal(message.size, content.length);
  }
});

test("a bare CR, a bare LF or a NUL in the header section is refused, whatever BODY says; in the body they stay", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  const send = async (content: string) => {
    await client.envelope("<s@x.example> BODY=BINARYMIME", "<ann@example.org>");
    client.send(`BDAT ${content.length} LAST\r\n${content}`);
    return await client.reply();
  };
  const hidden = "From: The Bank <ceo@bank.test>";
  for (const content of [
    `X-A: b\n${hidden}\nAuthentication-Results: mail.example.org; dmarc=pass\r\nFrom: a@evil.test\r\n\r\npay\r\n`,
    `X-A: b\r${hidden}\r\n\r\npay\r\n`,
    `X-A: b\0${hidden}\r\n\r\npay\r\n`,
    `\n${hidden}\r\n\r\npay\r\n`,
    `X-A: b\r\n\r${hidden}\r\n\r\npay\r\n`,
    "X-A: b\r\n\r",
  ]) {
    assert.match(await send(content), /^554 5\.6\.0 The header section has /, JSON.stringify(content));
  }
  await client.envelope("<s@x.example>", "<ann@example.org>");
  assert.match(await client.content("Subject: a\0b\r\n\r\nx"), /^554 5\.6\.0 /);
  assert.equal((await server.messages()).length, 0);
  const body = "Subject: x\r\n\r\n\0\n\r.\r\n";
  assert.match(await send(body), /^250 /);
  assert.equal((await server.onlyMessage()).content, body);
});

test("the empty line that a header section lacks is there too when its CRLF comes octet by octet", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  for (const content of ["\r\nbody\r\n", "A: 1\r\n\r\nbody\r\n", "no field\r\n"]) {
    await client.envelope("<s@x.example> BODY=BINARYMIME", "<ann@example.org>");
    for (const [index, octet] of [...content].entries()) {
      client.send(`BDAT 1${index === content.length - 1 ? " LAST" : ""}\r\n${octet}`);
      assert.match(await client.reply(), /^250 /);
    }
  }
  const contents = (await server.messages()).map(({ content }) => content);
  assert.deepEqual(contents, ["\r\nbody\r\n", "A: 1\r\n\r\nbody\r\n", "\r\nno field\r\n"]);
});
