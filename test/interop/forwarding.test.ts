/** Mail that an alias leads elsewhere: our ARC seals beside dkimpy's, our rewritten reverse-paths beside pyspf and postsrsd. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldsNamed, startCheckingServer } from "./support/checking-server.ts";
import { sendAll } from "./support/client.ts";
import { makeDkimKey } from "./support/dkim-keys.ts";
import { dkimpySeal, dkimpySign, dkimpyValidate, dkimpyVerify } from "./support/dkimpy.ts";
import { startTestDns } from "./support/dns.ts";
import { Folder } from "./support/folder.ts";
import { copiesOf, corpus, testMessage, type TestMessage } from "./support/messages.ts";
import { startPostfix } from "./support/postfix.ts";
import { startPostSrsd } from "./support/postsrsd.ts";
import { freePort } from "./support/free-port.ts";
import { until } from "./support/program.ts";
import { askPySpf } from "./support/pyspf.ts";
import { startSink, type SinkEnvelope } from "./support/sink.ts";

const alias = `
  [[alias]]
  address = "away@local.test"
  to = ["far@elsewhere.test"]
`;

/** The messages with other contents, in the same order. */
function withContents(messages: readonly TestMessage[], contents: readonly Buffer[]): readonly TestMessage[] {
  return messages.map(({ token }, index) => ({ token, content: contents[index] ?? Buffer.alloc(0) }));
}

const contentsOf = (messages: readonly TestMessage[]) => messages.map(({ content }) => content);

test("dkimpy finds our seals whole, the first of a chain and one on top of its own", async () => {
  using folder = new Folder();
  const author = makeDkimKey(folder, { domain: "sender.test", selector: "a", algorithm: "rsa" });
  const sealer = makeDkimKey(folder, { domain: "local.test", selector: "seal", algorithm: "rsa" });
  const first = makeDkimKey(folder, { domain: "first.test", selector: "arc", algorithm: "rsa" });
  await using dns = await startTestDns([author.record, sealer.record, first.record]);
  const arrived: Buffer[] = [];
  await using sink = await startSink((content) => void arrived.push(content));
  await using ours = await startCheckingServer({ dns, keys: [sealer], nextPort: sink.port, settings: alias });
  const [once, twice] = [corpus(), corpus()];
  const signed = await dkimpySign(dns, author, contentsOf([...once, ...twice]));
  const before = await dkimpySeal(dns, first, signed.slice(once.length), "dkim=pass header.d=sender.test");
  const messages = withContents([...once, ...twice], [...signed.slice(0, once.length), ...before]);
  await sendAll(ours.port, { from: "ann@sender.test", to: "away@local.test" }, messages);
  await until("all messages", () => arrived.length >= messages.length, ours.server.program);
  const contents = messages.map((message) => copiesOf(message, arrived)[0] ?? Buffer.alloc(0));
  assert.deepEqual([...new Set(await dkimpyValidate(dns, contents))], ["b'pass': success"]);
  assert.deepEqual([...new Set(await dkimpyVerify(dns, contents))], ["pass"], "the author's signature survives");
  assert.deepEqual(
    contents.map((content) => fieldsNamed(content.toString("latin1"), "ARC-Seal").length),
    [...once.map(() => 1), ...twice.map(() => 2)],
  );
});

test("we find dkimpy's seals whole, and a change behind them", async () => {
  using folder = new Folder();
  const author = makeDkimKey(folder, { domain: "sender.test", selector: "a", algorithm: "rsa" });
  const sealers = ["first.test", "second.test"].map((domain) =>
    makeDkimKey(folder, { domain, selector: "arc", algorithm: "rsa" }),
  );
  await using dns = await startTestDns([author, ...sealers].map(({ record }) => record));
  await using ours = await startCheckingServer({ dns });
  const plain = corpus();
  let contents = await dkimpySign(dns, author, contentsOf(plain));
  for (const [index, key] of sealers.entries()) {
    const results = index === 0 ? "dkim=pass header.d=sender.test" : "arc=pass; dkim=pass header.d=sender.test";
    contents = await dkimpySeal(dns, key, contents, results);
  }
  const whole = withContents(plain, contents);
  const [first = testMessage("")] = whole;
  const changed = testMessage("");
  const text = first.content.toString("latin1").replace("hello", "hallo").replaceAll(first.token, changed.token);
  const broken = [{ token: changed.token, content: Buffer.from(text, "latin1") }];
  await sendAll(ours.port, { from: "ann@sender.test", to: "box@local.test" }, [...whole, ...broken]);
  for (const message of await ours.stored(whole)) {
    assert.match(fieldsNamed(message, "Authentication-Results")[0] ?? "", /arc=pass/, message.slice(0, 8000));
  }
  const [message = ""] = await ours.stored(broken);
  assert.match(fieldsNamed(message, "Authentication-Results")[0] ?? "", /arc=fail/);
});

test("a rewritten reverse-path passes SPF for pyspf at the next server, where the original fails", async () => {
  await using dns = await startTestDns([
    ["TXT origin.test", ["v=spf1 ip4:192.0.2.1 -all"]],
    ["TXT mail.local.test", ["v=spf1 a -all"]],
    ["A mail.local.test", ["127.0.0.1"]],
  ]);
  const envelopes: SinkEnvelope[] = [];
  await using sink = await startSink((_, envelope) => void envelopes.push(envelope));
  await using ours = await startCheckingServer({ dns, nextPort: sink.port, settings: alias });
  const senders = ["joe@origin.test", "joe+tag=x@origin.test", `${"long".repeat(15)}@origin.test`];
  for (const from of senders) {
    await sendAll(ours.port, { from, to: "away@local.test" }, [testMessage("hello\r\n")]);
  }
  await until("three messages", () => envelopes.length >= senders.length, ours.server.program);
  const ask = (reversePath: string) => ({ client: "127.0.0.1", reversePath, hello: "mail.local.test" });
  const answers = await askPySpf(dns, [...envelopes.map(({ from }) => ask(from)), ...senders.map(ask)]);
  assert.deepEqual(
    answers.map(({ result }) => result),
    ["pass", "pass", "pass", "fail", "fail", "fail"],
  );
});

test("Postfix's bounce of a forwarded message comes back to the original sender", async () => {
  await using dns = await startTestDns([]);
  const arrived: { readonly content: string; readonly envelope: SinkEnvelope }[] = [];
  await using sink = await startSink(
    (content, envelope) => void arrived.push({ content: content.toString("latin1"), envelope }),
  );
  // They send to each other: Postfix takes the message, finds that we refuse it at the address it leads to, and tells.
  const port = await freePort();
  await using postfix = await startPostfix({
    nextPort: port,
    settings: "\nvirtual_alias_maps = inline:{far@postfix.test=gone@refused.test}\n",
  });
  const settings = `
    [[alias]]
    address = "away@local.test"
    to = ["far@postfix.test"]
    [[route]]
    domain = "postfix.test"
    via = "relay"
    host = "127.0.0.1:${postfix.port}"
  `;
  await using ours = await startCheckingServer({ dns, port, nextPort: sink.port, settings });
  const message = testMessage("hello\r\n");
  await sendAll(ours.port, { from: "joe@origin.test", to: "away@local.test" }, [message]);
  await until("the bounce", () => arrived.length > 0, ours.server.program);
  const [bounce] = arrived;
  assert.deepEqual(bounce?.envelope, { from: "", to: ["joe@origin.test"] });
  assert.match(bounce?.content ?? "", /Final-Recipient: rfc822; gone@refused\.test/);
  assert.ok(bounce?.content.includes(message.token));
});

test("postsrsd and we read and rewrite each other's addresses", async () => {
  await using dns = await startTestDns([]);
  const envelopes: SinkEnvelope[] = [];
  await using sink = await startSink((_, envelope) => void envelopes.push(envelope));
  await using postsrsd = await startPostSrsd("first.test");
  await using ours = await startCheckingServer({ dns, nextPort: sink.port, settings: alias });
  const forwarded = async (from: string, to = "away@local.test") => {
    const seen = envelopes.length;
    await sendAll(ours.port, { from, to }, [testMessage("hello\r\n")]);
    await until("the message", () => envelopes.length > seen, ours.server.program);
    return envelopes.at(-1) ?? { from: "", to: [] };
  };
  // Theirs first: we make the second address of the chain, and a bounce to it goes to theirs.
  const first = await postsrsd.rewrite("joe@origin.test");
  const second = await forwarded(first);
  assert.match(second.from, /^SRS1=[^=]+=first\.test==/);
  const back = await forwarded("", second.from);
  assert.deepEqual(back.to, [first]);
  assert.equal(await postsrsd.restore(back.to[0] ?? ""), "joe@origin.test");
  // Ours first.
  const { from } = await forwarded("joe@origin.test");
  assert.match(from, /^SRS0=/);
  const theirs = await postsrsd.rewrite(from);
  assert.match(theirs, /^SRS1=[^=]+=mail\.local\.test==/);
  const restored = await postsrsd.restore(theirs);
  assert.equal(restored, from);
  assert.deepEqual((await forwarded("", restored)).to, ["joe@origin.test"]);
});
