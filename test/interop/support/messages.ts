/** Messages that have tripped mail programs, each with a token by which it is found again wherever it arrives. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

export interface TestMessage {
  readonly token: string;
  /** CRLF line ends, as it is sent. */
  readonly content: Buffer;
}

let count = 0;

export function testMessage(
  body: string,
  headers: readonly string[] = [],
  author = "Ann <ann@sender.test>",
): TestMessage {
  const token = `token-${process.pid}-${++count}-end`;
  const head = [
    `Subject: ${token}`,
    `From: ${author}`,
    "To: Bob <box@receiver.test>",
    `Message-ID: <${token}@sender.test>`,
    "Date: Thu, 1 Jan 2026 10:00:00 +0000",
    ...headers,
  ];
  return { token, content: Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`, "latin1") };
}

const eightBit = String.fromCharCode(...Array.from({ length: 128 }, (_, index) => 128 + index));

/** 7-bit ones first; the last needs 8BITMIME. */
export function corpus(author?: string): readonly TestMessage[] {
  const message = (body: string, headers?: readonly string[]) => testMessage(body, headers, author);
  return [
    message("hello\r\n"),
    message(""),
    message(".\r\n..\r\n...\r\n.x\r\n x.\r\n\r\n.\r\n"),
    message("\r\n\r\n\r\n"),
    message(`${"x".repeat(998)}\r\n${"y".repeat(990)} z\r\n`),
    message("From the start of a line\r\n>From quoted\r\n"),
    message("a tab\tand trailing space \r\n \r\n\t\r\n"),
    message("folded\r\n", ["X-Folded: one", "\ttwo", "  three", "X-Empty:", "X-Odd-Case-header: Kept"]),
    message(`${"A line of ordinary text, neither short nor long.\r\n".repeat(8000)}`),
    message(`${eightBit}\r\n`, [
      "MIME-Version: 1.0",
      "Content-Type: text/plain; charset=iso-8859-1",
      "Content-Transfer-Encoding: 8bit",
    ]),
  ];
}

/** Files of a Maildir's `new` and `cur`, or of a plain folder. */
export function storedMessages(folder: string): readonly Buffer[] {
  const folders = [folder, path.join(folder, "new"), path.join(folder, "cur")];
  return folders.flatMap((name) =>
    existsSync(name)
      ? readdirSync(name, { withFileTypes: true })
          .filter((entry) => entry.isFile() && !/^(?:tmp\.|dovecot|maildirfolder)/.test(entry.name))
          .map((entry) => readFileSync(path.join(name, entry.name)))
      : [],
  );
}

/** The stored copies of a message. */
export function copiesOf({ token }: TestMessage, stored: readonly Buffer[]): readonly Buffer[] {
  return stored.filter((bytes) => bytes.includes(`${token}`));
}

/**
 * What is below the trace header fields that servers put on top, with CRLF line ends. What a server appends to the
 * header's end is not forgiven.
 */
export function belowTrace(stored: Buffer): Buffer {
  const text = stored.includes("\r\n") ? stored.toString("latin1") : stored.toString("latin1").replaceAll("\n", "\r\n");
  const withoutMboxLine = text.replace(/^From [^\r]*\r\n/, "");
  const trace =
    /^(?:(?:return-path|delivered-to|received|authentication-results|x-original-to|envelope-to|delivery-date)\s*:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*)+/i;
  return Buffer.from(withoutMboxLine.replace(trace, ""), "latin1");
}
