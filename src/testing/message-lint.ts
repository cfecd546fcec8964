/**
 * Holds messages that we make ourselves to the letter of RFC 5321, 5322 and 2045, and takes multiparts apart strictly: no
 * leniency that a reader might not have.
 */
import assert from "node:assert/strict";
import { parseContentType } from "../message/content-type.ts";
import { HeaderCollector, type HeaderSection, parseHeaderFields } from "../message/header-section.ts";
import { isValidMessageId } from "../message/message-id.ts";

export interface LintedPart {
  readonly header: HeaderSection;
  /** `type/subtype`. */
  readonly type: string;
  /** Decoded. */
  readonly body: Buffer;
}

export interface LintedMessage extends LintedPart {
  /** Of a multipart. */
  readonly parts: readonly LintedPart[];
}

const atMostOnce = ["sender", "to", "cc", "bcc", "reply-to", "subject", "message-id", "in-reply-to", "references"];
const once = ["from", "date", "mime-version", "content-type"];

/** Asserts; `utf8`: the header may be beyond ASCII. */
export function lintMessage(bytes: Buffer, options: { readonly utf8?: boolean } = {}): LintedMessage {
  lintLines(bytes);
  const { header, body } = divide(bytes);
  for (const name of once) assert.equal(header.all(name).length, 1, `exactly one ${name}`);
  for (const name of atMostOnce) assert.ok(header.all(name).length <= 1, `at most one ${name}`);
  assert.ok(isValidMessageId(header.first("message-id")?.value ?? ""), "Message-ID is well formed");
  assert.match(
    header.first("date")?.value ?? "",
    /^[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}$/,
  );
  if (options.utf8 !== true)
    assert.match(header.bytes.toString("latin1"), /^[\t\r\n\x20-\x7e]*$/, "the header is ASCII");
  for (const line of header.bytes.toString("utf8").split("\r\n")) {
    // A word alone on its line, or behind the name of its field, cannot be helped.
    assert.ok(line.length <= 78 || !/^(?:[\w-]+: | )[^ ]* /.test(line), `folded: ${line}`);
  }
  const contentType = parseContentType(header.first("content-type")?.value ?? "");
  const type = `${contentType.type}/${contentType.subtype}`;
  const parts = contentType.type === "multipart" ? takeApart(body, contentType.parameters.get("boundary") ?? "") : [];
  return { header, type, body, parts };
}

function lintLines(bytes: Buffer): void {
  const text = bytes.toString("latin1");
  assert.doesNotMatch(text, /\r(?!\n)|(?<!\r)\n|\0/, "CRLF only, no NUL");
  for (const line of text.split("\r\n")) assert.ok(line.length <= 998, `a line of ${line.length} octets`);
  assert.ok(text.endsWith("\r\n"));
}

function divide(bytes: Buffer): { readonly header: HeaderSection; readonly body: Buffer } {
  const progress = new HeaderCollector().push(bytes);
  assert.equal(progress.kind, "complete");
  if (progress.kind !== "complete") throw new Error("unreachable");
  assert.equal(progress.rest.toString("latin1", 0, 2), "\r\n", "an empty line ends the header");
  return { header: parseHeaderFields(progress.header), body: progress.rest.subarray(2) };
}

function takeApart(body: Buffer, boundary: string): readonly LintedPart[] {
  assert.match(boundary, /^[\w'()+,\-./:=? ]{1,69}[\w'()+,\-./:=?]$/, "a legal boundary");
  const text = body.toString("latin1");
  assert.ok(text.endsWith(`--${boundary}--\r\n`), "the multipart is closed");
  const pieces = `\r\n${text}`.split(`\r\n--${boundary}`);
  assert.equal(pieces.at(-1), "--\r\n");
  assert.equal(pieces[0], "", "no preamble");
  return pieces.slice(1, -1).map((piece) => {
    assert.ok(piece.startsWith("\r\n"));
    const { header, body: encoded } = divide(Buffer.from(`${piece.slice(2)}\r\n`, "latin1"));
    const { type, subtype } = parseContentType(header.first("content-type")?.value ?? "");
    const transferEncoding = header.first("content-transfer-encoding")?.value ?? "7bit";
    return { header, type: `${type}/${subtype}`, body: decode(encoded.subarray(0, -2), transferEncoding) };
  });
}

function decode(bytes: Buffer, transferEncoding: string): Buffer {
  switch (transferEncoding) {
    case "8bit":
      return bytes;
    case "7bit":
      assert.match(bytes.toString("latin1"), /^[\x00-\x7f]*$/, "7bit means 7 bits");
      return bytes;
    case "quoted-printable": {
      const text = bytes.toString("latin1");
      for (const line of text.split("\r\n")) assert.match(line, /^(?:[\t\x20-\x3c\x3e-\x7e]|=[0-9A-F]{2}){0,76}=?$/);
      const octets = text
        .replaceAll("=\r\n", "")
        .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
      return Buffer.from(octets, "latin1");
    }
    case "base64": {
      const text = bytes.toString("latin1");
      assert.match(text, /^(?:[A-Za-z0-9+/]{4,76}\r\n)*(?:[A-Za-z0-9+/]{0,74}={0,2})?(?:\r\n)*$/);
      return Buffer.from(text, "base64");
    }
    default:
      assert.fail(`transfer encoding ${transferEncoding}`);
  }
}

/** Groups of fields, as message/delivery-status has them: name in lower case → value. */
export function fieldGroups(bytes: Buffer): readonly ReadonlyMap<string, string>[] {
  return bytes
    .toString("utf8")
    .split("\r\n\r\n")
    .map((group) => {
      const { fields } = parseHeaderFields(Buffer.from(group.endsWith("\r\n") ? group : `${group}\r\n`));
      const map = new Map(fields.map(({ name, value }) => [name, value]));
      assert.equal(map.size, fields.length, "no field twice in a group");
      return map;
    });
}
