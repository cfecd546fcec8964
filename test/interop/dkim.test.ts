/** DKIM beside dkimpy and OpenDKIM: what one side signs, the other verifies. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createTransport } from "nodemailer";
import { passwordHash } from "./support/accounts.ts";
import { fieldsNamed, startCheckingServer } from "./support/checking-server.ts";
import { sendAll } from "./support/client.ts";
import { makeDkimKey } from "./support/dkim-keys.ts";
import { dkimpySign, dkimpyVerify } from "./support/dkimpy.ts";
import { startTestDns } from "./support/dns.ts";
import { Folder } from "./support/folder.ts";
import { copiesOf, corpus, testMessage, type TestMessage } from "./support/messages.ts";
import { startOpenDkim } from "./support/opendkim.ts";
import { startPostfix } from "./support/postfix.ts";
import { until } from "./support/program.ts";
import { startSink } from "./support/sink.ts";

/** The corpus, and what has tripped signers: fields folded anywhere, long ones, one that is there twice. */
function signedCorpus(author: string): readonly TestMessage[] {
  return [
    ...corpus(author),
    testMessage("text\r\n", [`X-Long: ${"word ".repeat(190)}`, `References: ${"<a.b@c.test> ".repeat(70)}`], author),
    testMessage("text\r\n", ["Cc: One <one@x.test>,", "\t Two   <two@x.test> ,", " three@x.test"], author),
    testMessage("text\r\n", ["Comments:   spaces  before and behind  ", "Comments: again", "Keywords:"], author),
    testMessage("  \t  leading\r\nmiddle \t space\r\nend \t\r\n\r\n\r\n", [], author),
    testMessage("no line end at the end", [], author),
  ];
}

const algorithms = ["rsa", "ed25519"] as const;

for (const algorithm of algorithms) {
  test(`dkimpy and OpenDKIM verify what we sign (${algorithm})`, async () => {
    using folder = new Folder();
    const key = makeDkimKey(folder, { domain: "sender.test", selector: "ours", algorithm });
    await using dns = await startTestDns([key.record]);
    const arrived: Buffer[] = [];
    await using sink = await startSink((content) => void arrived.push(content));
    await using ours = await startCheckingServer({ dns, keys: [key], nextPort: sink.port, relay: true });
    const messages = signedCorpus("Ann <ann@sender.test>");
    await sendAll(ours.port, { from: "ann@sender.test", to: "bob@receiver.test" }, messages);
    await until("all messages", () => arrived.length >= messages.length, ours.server.program);
    const contents = messages.map((message) => copiesOf(message, arrived)[0] ?? Buffer.alloc(0));
    const dkimpy = await dkimpyVerify(dns, contents);
    for (const [index, content] of contents.entries()) {
      assert.equal(fieldsNamed(content.toString("latin1"), "DKIM-Signature").length, 1);
      assert.equal(dkimpy[index], "pass", content.toString("latin1").slice(0, 3000));
      const openDkim = await dns.run("opendkim-testmsg", [], content);
      assert.deepEqual(openDkim, { status: 0, output: "" }, "opendkim-testmsg");
    }
  });
}

test("a submission leaves with both signatures, each good for dkimpy, with an international address, too", async () => {
  using folder = new Folder();
  const keys = algorithms.map((algorithm) =>
    makeDkimKey(folder, { domain: "local.test", selector: algorithm, algorithm }),
  );
  await using dns = await startTestDns(keys.map(({ record }) => record));
  const arrived: Buffer[] = [];
  await using sink = await startSink((content) => void arrived.push(content));
  const settings = `
    [[user]]
    address = "jörg@local.test"
    password = "${passwordHash("open sesame")}"
  `;
  await using ours = await startCheckingServer({ dns, keys, nextPort: sink.port, settings });
  const transport = createTransport({
    host: "127.0.0.1",
    port: ours.submissionsPort,
    secure: true,
    auth: { user: "jörg@local.test", pass: "open sesame" },
    tls: { rejectUnauthorized: false },
  });
  for (const to of ["bob@receiver.test", "børge@receiver.test"]) {
    await transport.sendMail({ from: "Jörg <jörg@local.test>", to, subject: "Grüße", text: "Blåbærsyltetøy\n.\n" });
  }
  transport.close();
  await until("both messages", () => arrived.length >= 2, ours.server.program);
  for (const content of arrived) {
    assert.equal(fieldsNamed(content.toString("utf8"), "DKIM-Signature").length, 2);
  }
  for (const index of [0, 1]) assert.deepEqual(await dkimpyVerify(dns, arrived, index), ["pass", "pass"]);
});

for (const algorithm of algorithms) {
  test(`we verify what dkimpy signs (${algorithm})`, async () => {
    using folder = new Folder();
    const key = makeDkimKey(folder, { domain: "sender.test", selector: "theirs", algorithm });
    await using dns = await startTestDns([key.record]);
    await using ours = await startCheckingServer({ dns });
    const signed: TestMessage[] = [];
    for (const form of ["relaxed", "simple"]) {
      const messages = signedCorpus("Ann <ann@sender.test>");
      // What has no line end gets one in transport, and is signed as it is sent.
      const whole = messages.map(({ content }) =>
        content.at(-1) === 10 ? content : Buffer.concat([content, Buffer.from("\r\n")]),
      );
      const contents = await dkimpySign(dns, key, whole, {
        algorithm: `${algorithm}-sha256`,
        header: form,
        body: form,
      });
      for (const [index, content] of contents.entries()) signed.push({ token: messages[index]?.token ?? "", content });
    }
    await sendAll(ours.port, { from: "ann@sender.test", to: "box@local.test" }, signed);
    for (const message of await ours.stored(signed)) assertPasses(message);
  });
}

test("we verify what OpenDKIM signs behind Postfix, and DMARC passes", async () => {
  using folder = new Folder();
  const cases = [
    { domain: "a.test", algorithm: "rsa", canonicalization: "relaxed/relaxed" },
    { domain: "b.test", algorithm: "rsa", canonicalization: "simple/simple" },
    { domain: "c.test", algorithm: "ed25519", canonicalization: "relaxed/simple" },
  ] as const;
  await using dns = await startTestDns([]);
  await using ours = await startCheckingServer({ dns });
  for (const { domain, algorithm, canonicalization } of cases) {
    const key = makeDkimKey(folder, { domain, selector: "od", algorithm });
    dns.records.set(...key.record);
    dns.records.set(`TXT _dmarc.${domain}`, ["v=DMARC1; p=reject"]);
    await using milter = await startOpenDkim({ key, algorithm: `${algorithm}-sha256`, canonicalization });
    await using postfix = await startPostfix({
      nextPort: ours.port,
      settings: `\nsmtpd_milters = inet:127.0.0.1:${milter.port}\nmilter_default_action = tempfail\n`,
    });
    const messages = signedCorpus(`Ann <ann@${domain}>`);
    await sendAll(postfix.port, { from: `ann@${domain}`, to: "box@local.test" }, messages);
    for (const message of await ours.stored(messages)) {
      assertPasses(message);
      assert.match(fieldsNamed(message, "Authentication-Results")[0] ?? "", /dmarc=pass/);
    }
  }
});

test("a SHA-1 signature, which OpenDKIM's test program still makes, is refused as RFC 8301 §3.1 says", async () => {
  using folder = new Folder();
  const key = makeDkimKey(folder, { domain: "sender.test", selector: "od", algorithm: "rsa" });
  await using dns = await startTestDns([key.record]);
  await using ours = await startCheckingServer({ dns });
  const { token, content } = testMessage("hello\r\n");
  const args = ["-C", "-d", "sender.test", "-s", "od", "-k", key.pemFile];
  const { output } = await dns.run("opendkim-testmsg", args, content);
  const signed = [{ token, content: Buffer.from(output, "latin1") }];
  await sendAll(ours.port, { from: "ann@sender.test", to: "box@local.test" }, signed);
  const [message = ""] = await ours.stored(signed);
  assert.match(fieldsNamed(message, "Authentication-Results")[0] ?? "", /dkim=permerror reason=sha1-refused/);
});

function assertPasses(message: string): void {
  const [results = ""] = fieldsNamed(message, "Authentication-Results");
  assert.match(results, /dkim=pass/, message.slice(0, 3000));
  assert.doesNotMatch(results, /dkim=(?!pass)/);
}
