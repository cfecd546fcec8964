/**
 * Hostile clients: conversations put together by chance from good, bad and broken pieces, cut anywhere. Whatever comes,
 * no fault of ours shows, no message is stored but by an accepted end of content, and nothing is left behind.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { settle } from "../testing/manual-clock.ts";
import { plain, ReceivingServer } from "../testing/receiving-server.ts";
import { SeededRandom } from "../testing/seeded-random.ts";

const pieces = [
  "EHLO client.test\r\n",
  "HELO a)(b\r\n",
  "LHLO client.test\r\n",
  "MAIL FROM:<s@x.example>\r\n",
  "MAIL FROM:<ann@example.org> SIZE=100 BODY=8BITMIME\r\n",
  "MAIL FROM:<> BODY=BINARYMIME\r\n",
  "RCPT TO:<ann@example.org>\r\n",
  "RCPT TO:<team@example.org> NOTIFY=SUCCESS\r\n",
  'RCPT TO:<"u@evil"@example.org>\r\n',
  "RCPT TO:<u@elsewhere.test>\r\n",
  "RCPT TO:<loop@example.org>\r\n",
  "DATA\r\n",
  "Subject: x\r\n\r\nhello\r\n.\r\n",
  "\r\n.\r\n",
  ".\r\n",
  "\n.\n",
  "\r\r\n.\r\n",
  "BDAT 5\r\nhello",
  "BDAT 7 LAST\r\nA: b\r\n\r",
  "BDAT 0 LAST\r\n",
  "BDAT 99999999999\r\n",
  "RSET\r\n",
  "NOOP\r\n",
  "VRFY ann\r\n",
  "STARTTLS\r\n",
  `AUTH PLAIN ${plain("ann@example.org", "secret")}\r\n`,
  "AUTH LOGIN\r\n",
  "*\r\n",
  "YW5u\r\n",
  "\0\x01\xff\xfe\r\n",
  "\n",
  "x".repeat(5000),
  "\x16\x03\x01\x02\0\x01",
];

test("any octets in any pieces end in replies, not in faults", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = new SeededRandom(seed);
    const pick = (count: number) => Math.floor(random.next() * count);
    await using server = await ReceivingServer.open({ limits: { errors: 1000, refused_recipients: 1000 } });
    const kind = (["mx", "submissions", "lmtp"] as const)[pick(3)] ?? "mx";
    const client = await server.dial(kind);
    let script = "";
    for (let count = pick(40); count >= 0; count--) script += pieces[pick(pieces.length)] ?? "";
    for (let at = 0; at < script.length;) {
      const length = 1 + pick(pick(2) === 0 ? 7 : 600);
      client.send(script.slice(at, at + length));
      at += length;
      if (pick(4) === 0) await settle();
    }
    await settle();
    if (pick(2) === 0) client.connection.end();
    else client.connection.destroy();
    await settle();
    assert.deepEqual(server.log.of("internal-error"), [], `seed ${seed}`);
    const received = await client.unread();
    const queued = received.match(/^250 2\.0\.0 Ok: queued as [0-9A-Z]{12}\r$/gm) ?? [];
    const accepted = server.log.of("message-accepted").length;
    // A client that is gone cannot have read every reply; LMTP replies once for each recipient.
    assert.ok(kind === "lmtp" || queued.length <= accepted, `seed ${seed}`);
    assert.match(received, /^(?:[2-5]\d\d[ -][\x20-\x7e]*\r\n)*$/, `seed ${seed}`);
  }
});
