/** The real thread for captured mail: it reads what this thread would, while this one takes its turns. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readingInThisThread, ReadingError } from "../../admin/message-reading.ts";
import { openReadingThread } from "./open-reading-thread.ts";
import { turnsDuring } from "../../testing/turns.ts";

const message = (body: string, type = "text/html; charset=utf-8") =>
  Buffer.from(`From: a@far.test\r\nSubject: Sign in\r\nMIME-Version: 1.0\r\nContent-Type: ${type}\r\n\r\n${body}`);
/** What takes the MIME parser longest for its size: short lines. */
const shortLines = "<p>Your code: 483920 &ndash; <a href='https://a.test/{id}'>ü</a>\r\n";

test("5 MB of HTML in short lines are read while others are served", async () => {
  const thread = openReadingThread();
  // The thread has begun, so that what follows is the work alone.
  await thread.read(message("x"));
  const reading = thread.read(message(shortLines.repeat(75_000)));
  assert.ok((await turnsDuring(reading)) > 10);
  const read = await reading;
  assert.deepEqual([read.left_out, read.codes, read.links], [null, ["483920"], ["https://a.test/{id}"]]);
  assert.equal(read.html.length, shortLines.length * 75_000 - 75_000);
  await thread.close();
  await assert.rejects(thread.read(message("x")), /is closed/);
});

test("the thread reads what this one would: text, HTML, each encoding, attachments", async () => {
  const thread = openReadingThread();
  const parts = [
    "--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe\r\n\r\n",
    "--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+aGVs\r\nbG88L2I+\r\n",
    "--b\r\nContent-Type: image/png; name=x.png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0K\r\nGgo=\r\n",
    "--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename=y.csv\r\n\r\na,b\r\n1,2\r\n",
    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nbody\r\n--b--\r\n",
  ];
  const raw = message(parts.join(""), "multipart/mixed; boundary=b");
  const expected = await readingInThisThread.read(raw);
  assert.equal(expected.attachments.length, 3);
  assert.deepEqual(await thread.read(raw), expected);
  for (const index of [0, 1, 2, 3]) {
    const [here, there] = [await readingInThisThread.attachment(raw, index), await thread.attachment(raw, index)];
    const shown = (found: typeof here) => found && { ...found, content: Buffer.from(found.content).toString("hex") };
    assert.deepEqual(shown(there), shown(here));
  }
  await thread.close();
});

test("what takes too long is left out with its reason", async () => {
  const thread = openReadingThread({ limitMs: 1 });
  const raw = message(shortLines.repeat(300_000));
  const { left_out, html } = await thread.read(raw);
  assert.deepEqual(
    [left_out, html],
    ["the parts of this message cannot be shown: reading them took too much time", ""],
  );
  await assert.rejects(thread.attachment(raw, 0), ReadingError);
  await thread.close();
});
