/**
 * Reads collections of messages, each with what must be found in it, and builds the mail.
 *
 * ```
 * === name of the case
 * subject: Your code
 * code: 483920            the best code; or `none`
 * link: https://a.test/   once for each link, in order; omitted if there is none
 * --- text                the parts: text, html, or both
 * Your code is 483920.
 * ```
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { encodeWords } from "../message/encoded-word.ts";

export interface CorpusMail {
  /** Includes the name of its file. */
  readonly name: string;
  readonly raw: Buffer;
  /** Undefined if there is no code in it. */
  readonly code: string | undefined;
  readonly links: readonly string[];
}

export function readCorpusMails(folder: string): readonly CorpusMail[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".txt"))
    .toSorted()
    .flatMap((file) => {
      const cases = readFileSync(join(folder, file), "utf8").split(/^=== /m).slice(1);
      return cases.map((text, index) => mailOf(`${file}: ${text.split("\n", 1)[0]}`, text, index));
    });
}

const transferEncodings = ["8bit", "base64", "quoted-printable"] as const;
type TransferEncoding = (typeof transferEncodings)[number];

function mailOf(name: string, text: string, index: number): CorpusMail {
  const [head = "", ...parts] = text.split(/^--- /m);
  const fields = [...head.matchAll(/^(\w+): (.*)$/gm)].map(([, key = "", value = ""]) => [key, value.trim()] as const);
  const all = (key: string) => fields.filter(([name]) => name === key).map(([, value]) => value);
  const [code] = all("code");
  const [subject = ""] = all("subject");
  if (code === undefined || parts.length === 0) throw new Error(`${name}: needs \`code:\` and a part`);
  // The cases take turns through the transfer encodings.
  const encoding = transferEncodings[index % transferEncodings.length] ?? "8bit";
  const bodies = parts.map((part) => bodyPart(part, encoding));
  const [only = ""] = bodies;
  const content =
    bodies.length === 1
      ? only
      : [
          "Content-Type: multipart/alternative; boundary=between\r\n\r\n",
          ...bodies.map((body) => `--between\r\n${body}\r\n`),
          "--between--\r\n",
        ].join("");
  const header = `From: <noreply@sender.test>\r\nTo: <ann@example.org>\r\nSubject: ${encodeWords(subject).replaceAll("?= =?", "?=\r\n =?")}\r\nMIME-Version: 1.0\r\n`;
  return {
    name,
    raw: Buffer.from(header + content),
    code: code === "none" ? undefined : code.replaceAll(/(?<=\d) (?=\d)/g, ""),
    links: all("link"),
  };
}

function bodyPart(part: string, encoding: TransferEncoding): string {
  const kind = part.startsWith("html") ? "html" : "plain";
  const text = part.slice(part.indexOf("\n") + 1).replaceAll("\n", "\r\n");
  return `Content-Type: text/${kind}; charset=utf-8\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${encoded(text, encoding)}`;
}

function encoded(text: string, encoding: TransferEncoding): string {
  if (encoding === "8bit") return text;
  if (encoding === "base64") return Buffer.from(text).toString("base64").replaceAll(/.{76}/g, "$&\r\n");
  const quoted = [...Buffer.from(text)]
    .map((octet) =>
      (octet >= 0x20 && octet < 0x7f && octet !== 0x3d) || octet === 0x0d || octet === 0x0a
        ? String.fromCharCode(octet)
        : `=${octet.toString(16).toUpperCase().padStart(2, "0")}`,
    )
    .join("");
  return quoted.replaceAll(/(?:=[0-9A-F]{2}|[^=\r\n]){70}(?!\r\n)/g, "$&=\r\n");
}
