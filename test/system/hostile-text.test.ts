/** Text of strangers at every place where people read it: none of it steers a terminal, hides, or turns about. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { refusalOf } from "../../src/admin/guard.ts";
import { paragraph } from "../../src/dsn/plain-text.ts";
import { plain, quoted } from "../../src/history/words.ts";
import { commentText, quotedText } from "../../src/message/safe-text.ts";
import { JsonLog } from "../../src/node/log/json-log.ts";
import { ReadableLog } from "../../src/node/log/readable-log.ts";
import { formatReply } from "../../src/smtp/reply-writer.ts";
import { reply } from "../../src/smtp/reply.ts";
import { ReplyReader } from "../../src/smtp/reply-reader.ts";
import { TestTerminal } from "../../src/testing/cli-terminal.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

const codes = [
  0x07, 0x08, 0x1b, 0x7f, 0x80, 0x9b, 0x9d, 0x061c, 0x200b, 0x200e, 0x200f, 0x2028, 0x202a, 0x202e, 0x2066, 0xfeff,
];
const hostile = codes.map((code) => `a${String.fromCharCode(code)}[31mred${String.fromCharCode(code)}`).join(" ");
const unsafe =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;

function logged(): string {
  const lines: string[] = [];
  const { log } = JsonLog.open({ level: "debug", destination: { write: (line) => lines.push(line) } });
  const readable = new ReadableLog({
    level: "debug",
    clock: new ManualClock(),
    write: (text) => lines.push(text),
    colours: false,
  });
  for (const each of [log.with({ session: hostile }), readable.with({ session: hostile })]) {
    each.event("mail-refused", { from: hostile, to: [hostile], error: new Error(hostile), nested: { deep: hostile } });
  }
  return lines.join("");
}

function repliesRead(): string {
  const reader = new ReplyReader();
  reader.receive(Buffer.from(`250 ${hostile}\r\n`));
  return JSON.stringify(reader.next());
}

const places: Readonly<Record<string, () => string | Promise<string>>> = {
  "the logs": logged,
  "replies of ours": () => formatReply(reply(550, "5.1.1", hostile)),
  "replies of peers": repliesRead,
  "a report's text": () => paragraph(hostile),
  "fields of ours": () => commentText(hostile) + quotedText(hostile),
  "a message's history": () => quoted(hostile) + plain(hostile),
  "refusals of the API": async () => {
    const request = new Request("http://localhost/", {
      headers: { origin: `x${Buffer.from(hostile).toString("latin1")}`.replaceAll(/[^\x20-\xff]/g, "") },
    });
    return (await refusalOf(request, { hostnames: [] }))?.error ?? "";
  },
};

for (const [place, text] of Object.entries(places)) {
  test(`nothing unsafe of a stranger's reaches ${place}`, async () => {
    const shown = await text();
    assert.match(shown, /red/);
    assert.doesNotMatch(shown.replaceAll(/[\r\n]/g, ""), unsafe);
  });
}

test("nothing unsafe reaches the terminal, as text or as JSON", async () => {
  const recipient = {
    message: "2N1HQCAZACKH", accepted_as: hostile, subject: hostile, from: hostile, to: hostile, size: 1, received_at: new Date(0).toISOString(), state: "scheduled", attempts: 1, due: new Date(0).toISOString(), last_reply: hostile, held: null, why: hostile, waits_until: null, index: 0,
  }; // prettier-ignore
  const api = () => ({ body: { recipients: [recipient], next: null } });
  for (const line of ["queue list --data-dir /data", "queue list --json --data-dir /data"]) {
    const { stdout, stderr } = await new TestTerminal().run(line, { api });
    assert.match(stdout, /red/, stderr);
    assert.doesNotMatch(stdout, unsafe);
    if (line.includes("--json")) {
      const told = JSON.parse(stdout) as { readonly recipients: readonly { readonly from: string }[] };
      assert.equal(told.recipients[0]?.from, hostile);
    }
  }
});
