/** Our own reports, made from what senders and peers wrote. */
import assert from "node:assert/strict";
import { makeReport } from "../../../src/dsn/make-report.ts";
import { originalRecipientField } from "../../../src/dsn/original-recipient.ts";
import type { ReportAction, FaultOwner } from "../../../src/dsn/report.ts";
import { decodeXtext } from "../../../src/smtp/xtext.ts";
import { encodeXtext } from "../../../src/testing/encode-xtext.ts";
import { fieldGroups, lintMessage } from "../../../src/testing/message-lint.ts";
import { texts } from "../seeds.ts";
import type { FuzzTarget } from "../target.ts";

const actions: readonly ReportAction[] = ["failed", "delayed", "relayed", "delivered", "expanded"];
const faults: readonly (FaultOwner | undefined)[] = [
  undefined,
  "recipient",
  "our-reputation",
  "our-authentication",
  "remote-trouble",
  "content",
  "policy",
  "local-trouble",
];

const words = [
  "\r\n", "\r\n.\r\n", "\r\n--=_", "a\r\nBcc: evil@x.test", "\0", "\r", "\n", "\t", " ", "=", "=?utf-8?q?x?=", "?=", "\xe2\x80\xae", "\xc3\xa9", "\xff", "\xed\xa0\x80", "+2B", "+0D", "\\x{E9}", "\\x{110000}", "rfc822;", "utf-8;", ";",
  "<", ">", "(", ")", "\"", "\\", "550 5.1.1 ", "Subject: ", "From ", "<x@y.test>",
]; // prettier-ignore

const report: FuzzTarget = {
  name: "dsn-report",
  family: "DSN",
  // Parts between bars: subject, Message-ID, ENVID, header, body, ORCPT, diagnostic, host, command.
  seeds: () =>
    texts(
      "Lunch|<1@b.test>|x+20y|Subject: Lunch\r\n|\r\nbody\r\n|rfc822;a+40b.test|550 5.1.1 no such user|mx.test|RCPT",
      "\xe4\xbd\xa0|no id|+0D+0A|Subject: \xc3\xa9\r\nX: \xff\r\n|\r\n\0\r\n|utf-8;\\x{4F60}@b.test|554 \xc3\xa9|\xff|DATA",
    ), // prettier-ignore
  words: [...words, "|"],
  bytesMax: 1500,
  stretchMax: 64 * 1024,
  run(input) {
    const text = input.toString("utf8");
    const [subject = "", messageId = "", envelopeId = "", header = "", body, originalRecipient, diagnostic, host, command] =
      text.split("|"); // prettier-ignore
    const fault = faults[input.length % faults.length];
    const made = makeReport({
      action: actions[(input[0] ?? 0) % actions.length] ?? "failed",
      host: "mail.test",
      postmaster: "postmaster@mail.test",
      to: input.length % 3 === 0 ? "\u00e9@b.test" : "ann@b.test",
      at: 1_700_000_000_000,
      messageId: "<1.abc@mail.test>",
      original: {
        id: "4QJ7ZC2M9KXD",
        receivedAt: 1_690_000_000_000,
        subject,
        messageId,
        envelopeId,
        header: Buffer.from(header, input.length % 2 === 0 ? "utf8" : "latin1"),
        utf8Header: false,
        eightBit: false,
        binary: input.length % 5 === 0,
        ...(body !== undefined && { body: Buffer.from(body, "latin1") }),
      },
      recipients: [
        {
          address: "bob@example.net",
          status: "5.1.1",
          ...(fault === undefined ? { reason: subject } : { fault }),
          ...(originalRecipient !== undefined && { originalRecipient, acceptedAs: originalRecipient }),
          ...(diagnostic !== undefined && {
            diagnostic: {
              type: "smtp",
              text: diagnostic,
              ...(host !== undefined && { remoteHost: host }),
              ...(command !== undefined && { command }),
            },
          }),
        },
      ],
    });
    const message = lintMessage(made.bytes, { utf8: made.utf8Header });
    assert.equal(message.parts.length, 3);
    assert.equal(message.header.all("bcc").length, 0);
    const groups = fieldGroups(message.parts[1]?.body ?? Buffer.alloc(0));
    assert.equal(groups.length, 2, "one group for the message and one for the recipient");
  },
};

const xtext: FuzzTarget = {
  name: "xtext",
  family: "DSN",
  seeds: () => texts("a+2Bb+40c", "rfc822;a+40b", "utf-8;\\x{4F60}+5C@b"),
  words,
  bytesMax: 600,
  stretchMax: 64 * 1024,
  run(input) {
    const text = input.toString("utf8");
    assert.equal(decodeXtext(encodeXtext(text))?.toString("utf8"), text);
    const octets = decodeXtext(text);
    if (octets !== undefined) assert.ok(octets.length <= text.length);
    const field = originalRecipientField(text);
    const given = /[\0-\x1f\x7f]/.test(text);
    assert.ok(given || !/[\0-\x1f\x7f]/.test(field), "what is decoded has no control character");
  },
};

export const dsnTargets: readonly FuzzTarget[] = [report, xtext];
