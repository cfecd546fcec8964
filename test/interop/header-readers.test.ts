/**
 * Hostile beginnings of messages, sent as BINARYMIME so that nothing is too odd to arrive, stored by our server in a Maildir and
 * read by Python's `email` package and, over IMAP, by Dovecot: they find the fields that we found and judged, and our own
 * above them whole. What could be read in two ways is refused. postal-mime: src/inbound/header-readers.test.ts.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { ImapFlow } from "imapflow";
import { withoutForgedResults } from "../../src/intake/header-edit.ts";
import type { HeaderField } from "../../src/message/header-section.ts";
import { HeaderCollector, parseHeaderFields } from "../../src/message/header-section.ts";
import { hostileContent } from "../../src/testing/hostile-headers.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { storeContent } from "../../src/testing/stored-content.ts";
import { sendBinary } from "./support/client.ts";
import { startDovecot } from "./support/dovecot.ts";
import { startPosthaste } from "./support/posthaste.ts";
import { freePort } from "./support/free-port.ts";
import { runProgram, until } from "./support/program.ts";
import { readWithPython } from "./support/python-email.ts";

const messageCount = 600;
/** Above what the client sent. */
const ours = ["return-path", "delivered-to", "received"];

test("Python and Dovecot find the header fields that we found, or the message was refused", async () => {
  const port = await freePort();
  await using server = await startPosthaste({
    ports: [port],
    configuration: `
      [[listener]]
      kind = "mx"
      listen = "127.0.0.1:${port}"
      [[domain]]
      name = "local.test"
      [[user]]
      address = "box@local.test"
      [authentication]
      check = false
      [admin]
      listen = "127.0.0.1:${await freePort()}"
    `,
  });
  const random = new SeededRandom(20261129);
  const contents = Array.from({ length: messageCount }, () => hostileContent(random));
  const answers = await sendBinary(port, { from: "ann@sender.test", to: "box@local.test" }, contents);

  /** By queue id, the fields of what was taken. */
  const expected = new Map<string, readonly HeaderField[]>();
  for (const [index, content] of contents.entries()) {
    const stored = storeContent([content], { edit: (header) => withoutForgedResults(header, ["posthaste.test"]) });
    const answer = answers[index] ?? "";
    if (stored.kind === "refused") {
      assert.match(answer, /^554 5\.6\.0 /, JSON.stringify(content.toString("latin1")));
      continue;
    }
    const id = /^250 2\.0\.0 Ok: queued as ([0-9A-Z]+)/.exec(answer)?.[1];
    assert.ok(id !== undefined, answer);
    expected.set(
      id,
      stored.header.fields.filter(({ name }) => name !== "return-path"),
    );
  }
  assert.ok(expected.size > 200 && expected.size < 500, `${expected.size} were taken`);
  const folder = `${server.dataFolder}/mail/local.test/box/new`;
  await until("the messages in the Maildir", () => filesOf(folder).length === expected.size, server.program);

  const files = filesOf(folder);
  const byPython = await readWithPython(files);
  for (const [index, file] of files.entries()) {
    const fields = expected.get(idOf(file)) ?? assert.fail(file);
    const found = byPython[index] ?? assert.fail(file);
    assert.deepEqual(
      found.slice(0, ours.length).map(([name]) => name),
      ours,
    );
    const seen = found.slice(ours.length).map(([name, value]) => ({ name, value }));
    assert.deepEqual(comparable(seen), comparable(readableByPython(fields)), readFileSync(file, "latin1"));
  }

  await runProgram("chmod", ["755", server.dataFolder]);
  await runProgram("chown", ["-R", "nobody:nogroup", `${server.dataFolder}/mail`]);
  await using dovecot = await startDovecot(`${server.dataFolder}/mail`);
  const byDovecot = await readWithDovecot(dovecot.imapPort);
  assert.equal(byDovecot.length, expected.size);
  for (const { source, headers } of byDovecot) {
    const id = /\sid ([0-9A-Z]+)/.exec(source.toString("latin1"))?.[1] ?? "";
    const fields = expected.get(id) ?? assert.fail(source.toString("latin1"));
    // Asked for by their names, so it is Dovecot's reader that finds them.
    const seen = headers.filter(({ name }) => asked.includes(name));
    assert.deepEqual(
      comparable(seen),
      comparable(fields.filter(({ name }) => asked.includes(name))),
      source.toString("latin1"),
    );
  }
});

/** Those that the generator makes and final delivery does not; Received is there already. */
const asked = ["from", "sender", "to", "subject", "reply-to", "authentication-results", "date", "x-a", "x.b_c"];

async function readWithDovecot(port: number) {
  const client = new ImapFlow({
    host: "127.0.0.1",
    port,
    secure: false,
    doSTARTTLS: false,
    auth: { user: "box@local.test", pass: "secret" },
    logger: false,
  });
  await client.connect();
  try {
    const lock = await client.getMailboxLock("INBOX");
    const found = [];
    for await (const { source, headers } of client.fetch("1:*", { source: true, headers: asked })) {
      assert.ok(source && headers);
      found.push({ source, headers: fieldsOf(headers) });
    }
    lock.release();
    return found;
  } finally {
    await client.logout();
  }
}

/** What a reader that looked for fields gave back; it ends in an empty line. */
function fieldsOf(bytes: Buffer): readonly HeaderField[] {
  const result = new HeaderCollector().push(bytes);
  assert.ok(result.kind === "complete");
  assert.equal(result.rest.toString("latin1"), "\r\n");
  return parseHeaderFields(result.header).fields;
}

/**
 * Python knows no white space before the colon (RFC 5322 §4.5): it passes over a line that begins with "From ", and takes any
 * other such field for the end of the header. So it sees less than we do, and never a field that we do not see.
 */
function readableByPython(fields: readonly HeaderField[]): readonly HeaderField[] {
  const readable: HeaderField[] = [];
  for (const field of fields) {
    const line = field.raw.toString("latin1");
    if (line.startsWith("From ")) continue;
    if (/^[^:]*[ \t]:/.test(line)) break;
    readable.push(field);
  }
  return readable;
}

/** Names and values, white space and what is not ASCII aside: programs decode octets differently. */
function comparable(fields: Iterable<{ readonly name: string; readonly value: string }>): readonly string[] {
  return Array.from(fields, ({ name, value }) => {
    const text = value.replaceAll(/[^\u0000-\u007f]+/g, "?").replaceAll(/[ \t\r\n]+/g, " ");
    return `${name}: ${text.trim()}`;
  });
}

function filesOf(folder: string): readonly string[] {
  return readdirSync(folder).map((name) => `${folder}/${name}`);
}

/** Maildir names are `seconds.id_recipient.host`. */
function idOf(file: string): string {
  return /\.([0-9A-Z]+)_/.exec(file)?.[1] ?? assert.fail(file);
}
