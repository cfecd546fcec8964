/** Content is brought into 7 bits part by part; what a mail program decodes is what it would have read before. */
import assert from "node:assert/strict";
import { test } from "node:test";
import PostalMime from "postal-mime";
import { SeededRandom } from "../../testing/seeded-random.ts";
import { SevenBitContent } from "./seven-bit-content.ts";
import { type ConversionProblem, SevenBitPlanner } from "./seven-bit-plan.ts";

function pieces(content: Buffer, size: number): readonly Buffer[] {
  return Array.from({ length: Math.ceil(content.length / size) }, (_, index) =>
    content.subarray(index * size, (index + 1) * size),
  );
}

function converted(text: string | Buffer, size = 1 << 20): string {
  const content = Buffer.from(text);
  const planner = new SevenBitPlanner();
  for (const piece of pieces(content, size)) planner.push(piece);
  const plan = planner.end();
  if ("problem" in plan) return plan.problem;
  const converter = new SevenBitContent(plan);
  const out = Buffer.concat([...pieces(content, size).map((piece) => converter.push(piece)), converter.end()]);
  assert.ok(
    out.every((octet) => octet < 128),
    "8-bit octets are left",
  );
  return out.toString("latin1");
}

const plainHeader = "From: a@b.test\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n";
const nested =
  'From: a@b.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="o"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n' +
  "Präambel\r\n--o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n" +
  "--i\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße = Gruß and a rather long sentence \r\n.\r\n\r\n" +
  "--i\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>Привет, мир, как дела</p>\r\n--i--\r\n" +
  "--o\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: inner\r\n\r\nnaïve\r\n" +
  "--o\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n" +
  "--o\r\n\r\nplain ascii\r\n--o--\r\nEpilög\r\n";

test("a single part becomes quoted-printable or base64, as is shorter, and its line ends stay", () => {
  assert.equal(
    converted(`${plainHeader}Content-Transfer-Encoding: 8bit\r\n\r\nSchöne Grüße aus dem Norden, Ann \r\nend\r\n`),
    `${plainHeader}Content-Transfer-Encoding: quoted-printable\r\n\r\nSch=C3=B6ne Gr=C3=BC=C3=9Fe aus dem Norden, Ann=20\r\nend\r\n`,
  );
  const russian = "Привет\r\n";
  assert.equal(
    converted(`${plainHeader}\r\n${russian}`),
    `${plainHeader}Content-Transfer-Encoding: base64\r\n\r\n${Buffer.from(russian).toString("base64")}\r\n`,
  );
});

test("text without any MIME field is labelled as what it is", () => {
  const utf8 = converted("Subject: x\r\n\r\nThat is a naïve thing to say\r\n");
  assert.match(utf8, /^Subject: x\r\nMIME-Version: 1\.0\r\nContent-Type: text\/plain; charset=utf-8\r\nContent-Tr/);
  const latin1 = converted(Buffer.from("Subject: x\r\n\r\nThat is a na\xefve thing to say\r\n", "latin1"));
  assert.match(latin1, /charset=unknown-8bit\r\n[\s\S]*\r\n\r\nThat is a na=EFve thing to say\r\n$/);
});

test("a multipart is walked part by part; structure is never encoded, and what is ASCII stays to the octet", async () => {
  const text = converted(nested);
  const plain =
    /--i\r\nContent-Type: text\/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n/;
  assert.match(text, plain);
  assert.match(text, /Gr=C3=BC=C3=9Fe =3D Gru=C3=9F and a rather long sentence=20\r\n\.\r\n\r\n--i\r\n/);
  assert.match(
    text,
    /text\/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n[\w+/=]+\r\n--i--\r\n--o\r\n/,
  );
  assert.match(text, /Content-Type: message\/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: inner\r\nMIME-/);
  assert.match(
    text,
    /--o\r\nContent-Type: application\/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n--o\r\n\r\nplain ascii\r\n--o--\r\nEpil\?\?g\r\n$/,
  );
  assert.match(
    text,
    /^From: a@b\.test\r\nMIME-Version: 1\.0\r\nContent-Type: multipart\/mixed; boundary="o"\r\nContent-Transfer-Encoding: 7bit\r\n\r\nPr\?\?ambel/,
  );
  const before = await PostalMime.parse(Buffer.from(nested), { forceRfc822Attachments: true });
  const after = await PostalMime.parse(text, { forceRfc822Attachments: true });
  // The line end before a delimiter is the delimiter's (RFC 2046 §5.1.1); this parser counts it as text.
  const html = (text = ""): string => text.replaceAll(/\n+/g, "\n");
  assert.deepEqual([after.text, html(after.html)], [before.text, html(before.html)]);
  assert.deepEqual(after.attachments[1]?.content, before.attachments[1]?.content);
  assert.match(String(before.text), /Grüße = Gruß/);
});

test("any split of the content gives the same octets, and 7-bit content comes back as it was", () => {
  const whole = converted(nested);
  for (const size of [1, 2, 3, 5, 7, 64, 1000]) assert.equal(converted(nested, size), whole, `in pieces of ${size}`);
  const ascii = nested.replaceAll(/[^\x00-\x7f]/g, "?").replaceAll("8bit", "7bit");
  for (const size of [1, 4, 1 << 20]) assert.equal(converted(ascii, size), ascii);
});

test("whatever would break or cannot be said in 7 bits is not converted", () => {
  const cases: readonly (readonly [ConversionProblem, string])[] = [
    ["dkim-signature", "DKIM-Signature: v=1; d=x.test\r\n\r\nnaïve\r\n"],
    ["arc-seal", "ARC-Message-Signature: i=1\r\n\r\nnaïve\r\n"],
    ["header-not-ascii", "Subject: naïve\r\n\r\nnaïve\r\n"],
    [
      "header-not-ascii",
      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Description: ä\r\n\r\nx\r\n--b--\r\n",
    ],
    ["signed", "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nnaïve\r\n--b--\r\n"],
    ["unencodable-part", "Content-Type: message/partial; id=1\r\n\r\nnaïve\r\n"],
    ["false-encoding", "Content-Transfer-Encoding: base64\r\n\r\nnaïve\r\n"],
    [
      "false-encoding",
      "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\nnaïve\r\n",
    ],
    ["too-complex", "Content-Type: multipart/mixed\r\n\r\nnaïve\r\n"],
    ["too-complex", `Content-Type: multipart/mixed; boundary=b\r\n\r\n${"--b\r\n\r\nx\r\n".repeat(2001)}ä`],
  ];
  for (const [problem, content] of cases) assert.equal(converted(content), problem, content.slice(0, 80));
});

test("content of every shape ends in 7 bits or in a problem, equal for every split", () => {
  const random = new SeededRandom(14);
  const bits = [
    "--b\r\n",
    "--b--\r\n",
    "--i\r\n",
    "--i--\r\n",
    "\r\n",
    "ä",
    "x\r\n",
    "-",
    "--",
    "\r",
    "\n",
    "é".repeat(60),
  ];
  const heads = [
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
    "Content-Type: multipart/alternative; boundary=i\r\n\r\n",
    "Content-Type: message/rfc822\r\n\r\n",
    "Content-Transfer-Encoding: 8bit\r\n\r\n",
  ];
  for (let round = 0; round < 400; round++) {
    let content = heads[round % 2] ?? "";
    for (let count = 0; count < 25; count++) {
      const from = random.next() < 0.25 ? heads : bits;
      content += from[Math.floor(random.next() * from.length)] ?? "";
    }
    const whole = converted(content);
    for (const size of [1, 3, 10]) assert.equal(converted(content, size), whole, JSON.stringify(content));
  }
});
