/** Mail that a stranger can send to make a server work: for the longest turn of the event loop, in a test and in the soak. */
import { gzipSync } from "node:zlib";

export interface HostileMail {
  readonly name: string;
  /** Who gets it: a user, or the address for reports. */
  readonly to: "user" | "reports";
  /** Reading it takes so long that others must be served meanwhile. */
  readonly heavy: boolean;
  /** CRLF-ended, without the dot. */
  readonly content: () => string;
}

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;
const head = "From: a@evil.test\r\nMIME-Version: 1.0\r\n";

/** Texts that shrink to a fiftieth, as real reports do, so that no ratio gives them away. */
function varied(count: number, entry: (number: string) => string): string {
  let state = 1;
  const entries: string[] = [];
  for (let index = 0; index < count; index++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    entries.push(entry(state.toString(36)));
  }
  return entries.join("");
}

function attachments(bodies: readonly Buffer[]): string {
  const parts = bodies.map((body) => {
    const lines = body.toString("base64").replaceAll(/.{76}/g, "$&\r\n");
    return `--b\r\nContent-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n\r\n${lines}\r\n`;
  });
  return `${head}Content-Type: multipart/mixed; boundary=b\r\n\r\n${parts.join("")}--b--\r\n`;
}

const feedback = (rows: string) =>
  `<feedback><policy_published><domain>example.org</domain></policy_published>${rows}</feedback>`;
const json = (entries: number) => `{"p":"${varied(8000, (text) => text)}","a":[${"{},".repeat(entries)}0]}`;

/** A field with its value in lines that a server takes. */
function field(name: string, piece: string, octets: number): string {
  const line = piece.repeat(Math.max(1, Math.floor(900 / piece.length)));
  return `${name}: ${`${line}\r\n `.repeat(Math.floor(octets / line.length))}x\r\n`;
}

const body = "\r\nHello\r\n";
const signature = `DKIM-Signature: v=1; a=rsa-sha256; d=evil.test; s=s; h=from:subject; bh=${"A".repeat(43)}=; b=${"A".repeat(342)}==\r\n`;

const toUsers: readonly (readonly [string, () => string])[] = [
  ["a header section of 900 KiB in 9,000 fields", () => `${head}${`X-A: ${"y".repeat(90)}\r\n`.repeat(9000)}${body}`],
  ["a From field of 900 KiB: addresses", () => `${field("From", "a@b.test, ", 900 * kibibyte)}${body}`],
  ["a From field of 900 KiB: comments", () => `${field("From", "(", 900 * kibibyte)}${body}`],
  ["a To field of 900 KiB: encoded words", () => `${head}${field("To", "=?utf-8?q?a?= ", 900 * kibibyte)}${body}`],
  [
    "a Content-Type field of 900 KiB: semicolons",
    () => `From: a@evil.test\r\n${field("Content-Type", ";", 900 * kibibyte)}${body}`,
  ],
  [
    "a Content-Type field of 900 KiB: parameters",
    () => `From: a@evil.test\r\n${field("Content-Type", "; a=b", 900 * kibibyte)}${body}`,
  ],
  [
    "90 Received fields and one of 800 KiB",
    () =>
      `${"Received: from a by b; Mon, 1 Jan 2001 00:00:00 +0000\r\n".repeat(90)}${head}${field("Received", "from a ", 800 * kibibyte)}${body}`,
  ],
  ["1,500 DKIM signatures", () => `${signature.repeat(1500)}${head}${body}`],
  [
    "ten signatures over a header section of 900 KiB",
    () =>
      `${signature.replace("from:subject", "from:x-a:x-a").repeat(10)}${head}${field("X-A", "y ", 900 * kibibyte)}${body}`,
  ],
  [
    "3,000 ARC fields",
    () => `${`ARC-Seal: i=1; a=rsa-sha256; cv=none; d=a.test; s=s; b=AAAA\r\n`.repeat(3000)}${head}${body}`,
  ],
  [
    "an Authentication-Results field of 900 KiB",
    () => `${field("Authentication-Results", "mail.example.org; spf=pass ", 900 * kibibyte)}${head}${body}`,
  ],
  [
    "5 MiB of delimiters",
    () => `${head}Content-Type: multipart/mixed; boundary=b\r\n\r\n${"--b\r\n\r\n".repeat((5 * mebibyte) / 7)}`,
  ],
  [
    "attached messages in attached messages, 10,000 deep",
    () => `${head}${"Content-Type: message/rfc822\r\n\r\n".repeat(10_000)}x\r\n`,
  ],
  ["20 MiB of short lines", () => `${head}\r\n${"a\r\n".repeat((20 * mebibyte) / 3)}`],
];

const toReports: readonly (readonly [string, () => string])[] = [
  [
    "512 KB of attached messages in attached messages",
    () => `${head}${"Content-Type: message/rfc822\r\n\r\n".repeat(16_000)}x\r\n`,
  ],
  ["twenty packs of ten megabytes of JSON", () => attachments(Array<Buffer>(20).fill(gzipSync(json(3_200_000))))],
  [
    "a pack of ten megabytes of XML",
    () =>
      attachments([
        gzipSync(
          feedback(
            varied(
              60_000,
              (text) => `<record><row><source_ip>${text}</source_ip><count>1</count></row><a b="${text}"/></record>`,
            ),
          ),
        ),
      ]),
  ],
  [
    "XML of 50,000 attributes and a text of two megabytes",
    () =>
      attachments([
        gzipSync(`<feedback ${varied(50_000, (text) => `a${text}="" `)}>${varied(300_000, (text) => text)}`),
      ]),
  ],
  [
    "a bomb of a gigabyte",
    () => attachments([Buffer.concat(Array<Buffer>(64).fill(gzipSync(Buffer.alloc(16 * mebibyte))))]),
  ],
  [
    "100,000 parts",
    () => `${head}Content-Type: multipart/mixed; boundary=b\r\n\r\n${"--b\r\n\r\nx\r\n".repeat(100_000)}--b--\r\n`,
  ],
  [
    "ten megabytes of quoted-printable",
    () => `${head}Content-Transfer-Encoding: quoted-printable\r\n\r\n${"=3C=\r\n".repeat((10 * mebibyte) / 6)}`,
  ],
];

export const hostileMail: readonly HostileMail[] = [
  ...toUsers.map(([name, content]) => ({ name, to: "user", heavy: false, content }) as const),
  ...toReports.map(([name, content]) => {
    const heavy = name.includes("ten megabytes of JSON") || name.includes("ten megabytes of XML");
    return { name: `report: ${name}`, to: "reports", heavy, content } as const;
  }),
];
