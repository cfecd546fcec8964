/** What the benchmark verifies and signs: messages like those that arrive, and the DNS that belongs to them. */
import { BodyHashes } from "../../src/dkim/body-hashes.ts";
import { MessageSigner } from "../../src/dkim/signer.ts";
import { readPrivateKey, recordName, recordText, type SigningKey } from "../../src/dkim/signing-key.ts";
import { parseHeaderFields } from "../../src/message/header-section.ts";
import { TestCrypto, testKey } from "../../src/testing/test-crypto.ts";

/** `domain` signs with RSA-2048, whose records are `recordsOf`. */
export function signingKeyFor(domain: string): SigningKey {
  const read = readPrivateKey(testKey("rsa"));
  if (read.kind !== "key") throw new Error(read.problem);
  return { domain, selector: "2026a", algorithm: read.algorithm, key: read.key };
}

/** Name → strings of one TXT record: the key, a DMARC policy, SPF with three includes that ends with `client`. */
export function recordsOf(domain: string, client: string): ReadonlyMap<string, string> {
  const key = signingKeyFor(domain);
  return new Map([
    [recordName(key), recordText(key.key)],
    [`_dmarc.${domain}`, `v=DMARC1; p=quarantine; rua=mailto:dmarc@${domain}`],
    [
      domain,
      "v=spf1 include:_spf.hoster.example include:_spf.newsletter.example include:_spf.tickets.example a:mail.example ~all",
    ],
    ["_spf.hoster.example", "v=spf1 ip4:192.0.2.0/25 ip4:198.51.100.0/24 ip6:2001:db8:1::/48 ~all"],
    ["_spf.newsletter.example", "v=spf1 ip4:203.0.113.0/26 ip4:203.0.113.128/27 ip4:192.0.2.192/28 ~all"],
    ["_spf.tickets.example", `v=spf1 ip4:198.51.100.7 ip4:203.0.113.77 ip4:${client} ip6:2001:db8:2::/48 ~all`],
  ]);
}

/** Text of about `bytes` octets in lines of 72. */
export function plainBody(bytes: number): Buffer {
  const line = "Dear all, the meeting has been moved to Thursday, please bring the plans\r\n";
  return Buffer.from(line.repeat(Math.ceil(bytes / line.length)));
}

export function base64Body(bytes: number): Buffer {
  const line = `${Buffer.from(Array.from({ length: 57 }, (_, index) => (index * 37 + 11) % 256)).toString("base64")}\r\n`;
  return Buffer.from(line.repeat(Math.ceil(bytes / line.length))).subarray(0, bytes);
}

/** Nothing that relaxed canonicalization could leave as it is: a space every six octets, doubles, tabs, line ends. */
export function proseBody(bytes: number): Buffer {
  const text =
    "lorem ipsum dolor  sit amet,\tcons ectetur adip  iscing elit \r\nsed do eiusm tempor\t\r\nincid idunt ut labo \t re\r\n";
  return Buffer.from(text.repeat(Math.ceil(bytes / text.length))).subarray(0, bytes);
}

/** The header section of a message that came over one hop, its fields in the usual order. */
export function headerOf(domain: string, id: string): Buffer {
  const fields = [
    `Received: from app.${domain} (app.${domain} [192.0.2.25])\r\n\tby mail.${domain} with ESMTPSA id ${id}\r\n\tfor <box@discard.test>; Tue, 03 Nov 2026 10:15:00 +0000`,
    `From: Ann Example <ann@${domain}>`,
    "To: Bob <box@discard.test>",
    "Subject: The meeting has been moved to Thursday",
    "Date: Tue, 03 Nov 2026 10:15:00 +0000",
    `Message-ID: <${id}@${domain}>`,
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: 8bit",
    `List-Unsubscribe: <https://${domain}/unsubscribe/${id}>`,
  ];
  return Buffer.from(fields.map((field) => `${field}\r\n`).join(""));
}

export const signedAt = Date.UTC(2026, 10, 3, 10, 15);

export async function signedMessage(domain: string, id: string, body: Buffer): Promise<Buffer> {
  const header = headerOf(domain, id);
  const rest = Buffer.concat([Buffer.from("\r\n"), body]);
  const bodies = new BodyHashes();
  const options = { keys: [signingKeyFor(domain)], crypto: new TestCrypto(), now: signedAt };
  const signer = MessageSigner.begin(parseHeaderFields(header), bodies, options);
  bodies.push(rest);
  bodies.end();
  const signature = await signer?.finish();
  if (signature === undefined || signature === "") throw new Error("the message was not signed");
  return Buffer.concat([Buffer.from(signature), header, rest]);
}
