import assert from "node:assert/strict";
import { test } from "node:test";
import { BodyHashes } from "../dkim/body-hashes.ts";
import { MessageSigner } from "../dkim/signer.ts";
import { readPrivateKey, recordName, recordText, type SigningKey } from "../dkim/signing-key.ts";
import { parseHeaderFields } from "../message/header-section.ts";
import { resolverWith, seal, signingKey } from "../testing/arc-fixture.ts";
import { TestTerminal } from "../testing/cli-terminal.ts";
import { TestCrypto, testKey } from "../testing/test-crypto.ts";

const header =
  "From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: Bill\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n";
const body = "\r\nPlease find the bill attached.\r\n";
const plain = header + body;
const words = ["--ip", "192.0.2.1", "--helo", "mail.example.org", "--from", "ann@example.org"];

function keyOf(domain: string): SigningKey {
  const read = readPrivateKey(testKey("rsa"));
  assert.ok(read.kind === "key");
  return { domain, selector: "s1", algorithm: read.algorithm, key: read.key };
}

async function signed(domain: string): Promise<string> {
  const bodies = new BodyHashes();
  const signer = MessageSigner.begin(parseHeaderFields(Buffer.from(header)), bodies, {
    keys: [keyOf(domain)],
    crypto: new TestCrypto(),
    now: 0,
  });
  bodies.push(Buffer.from(body));
  bodies.end();
  return `${(await signer?.finish()) ?? ""}${plain}`;
}

/** A terminal in whose DNS example.org is set up in full, with a policy of rejection. */
async function terminalWith(message: string | Buffer): Promise<TestTerminal> {
  const terminal = new TestTerminal();
  terminal.resolver
    .add("1.2.0.192.in-addr.arpa", "PTR", "mail.example.org")
    .add("mail.example.org", "A", "192.0.2.1")
    .add("mail.example.org", "TXT", "v=spf1 a -all")
    .add("example.org", "TXT", "v=spf1 ip4:192.0.2.0/24 -all")
    .add("_dmarc.example.org", "TXT", "v=DMARC1; p=reject; adkim=s")
    .add(recordName(keyOf("example.org")), "TXT", recordText(keyOf("example.org").key));
  await terminal.files.makeDirectory("/home/ann");
  await terminal.files.replaceFile("/home/ann/bill.eml", Buffer.from(message));
  return terminal;
}

test("check message: white space before a colon is obsolete syntax and makes a field, of a mailbox file no line", async () => {
  for (const start of ["From : Ann <ann@example.org>\r\n", "From \t: Ann <ann@example.org>\r\n"]) {
    const terminal = await terminalWith(`${start}To : bob@example.net\r\n\r\nx\r\n`);
    const { stdout, stderr } = await terminal.run(["check", "message", "bill.eml", ...words]);
    assert.match(stdout, /^From Ann <ann@example\.org>$/m, start);
    assert.match(flat(stdout), /DMARC pass/);
    assert.doesNotMatch(stderr, /mailbox file/);
  }
  const terminal = await terminalWith(`From ann@example.org Thu Jan  1 00:00:00 2026\r\n${plain}`);
  assert.match(
    (await terminal.run(["check", "message", "bill.eml", ...words])).stderr,
    /which belongs to a mailbox file \(mbox\), was ignored/,
  );
});

function flat(text: string): string {
  return text.replaceAll(/\s+/g, " ");
}

test("check message explains each verdict of a good message, and the field that would be written", async () => {
  const terminal = await terminalWith(await signed("example.org"));
  const { code, stdout, stderr } = await terminal.run(["check", "message", "bill.eml", ...words]);
  assert.equal(code, 0, stdout + stderr);
  const text = flat(stdout);
  assert.match(text, /Reverse DNS pass 192\.0\.2\.1 is mail\.example\.org, and that is 192\.0\.2\.1\./);
  assert.match(text, /SPF, MAIL FROM pass example\.org allows this host to send: .*ip4:192\.0\.2\.0\/24/);
  assert.match(text, /SPF, HELO pass mail\.example\.org allows this host to send: /);
  assert.match(text, /DKIM pass The signature of example\.org \(selector s1\): it is valid/);
  assert.match(text, /ARC none The message has no ARC chain\./);
  assert.match(text, /DMARC pass The author's domain \(in From\) is example\.org\./);
  assert.match(text, /_dmarc\.example\.org: p=reject; adkim=s; aspf=r\./);
  assert.match(text, /DKIM passed for example\.org, which is the author's domain: aligned\./);
  assert.match(text, /The message would be delivered to the inbox: /);
  assert.match(stdout, /^Authentication-Results: localhost;$/m);
  assert.match(stderr, /no configuration here/);
});

test("check message tells a changed body from a changed header", async () => {
  const good = await signed("example.org");
  const footer = await (await terminalWith(`${good}-- \r\nfooter\r\n`)).run(["check", "message", "bill.eml", ...words]);
  assert.match(flat(footer.stdout), /DKIM fail .*: the body was changed after signing/);
  const subject = await (
    await terminalWith(good.replace("Subject: Bill", "Subject: Bull"))
  ).run(["check", "message", "bill.eml", ...words]);
  assert.match(flat(subject.stdout), /DKIM fail .*: the body is unchanged, but a signed header field was changed/);
});

test("check message says why a forged message goes to Junk, and ends with 65", async () => {
  const terminal = await terminalWith(plain);
  const { code, stdout } = await terminal.run("check message bill.eml --ip 198.51.100.1 --from ceo@evil.example");
  assert.equal(code, 65);
  const text = flat(stdout);
  assert.match(text, /Reverse DNS permerror 198\.51\.100\.1 has no name in the DNS\./);
  assert.match(text, /DKIM none The message has no DKIM signature\./);
  assert.match(text, /DMARC fail .*example\.org requests rejection \(p=reject\)\./);
  assert.match(text, /The message would be delivered to Junk: .*\(dmarc\.reject\)/);
});

test("check message tells who sealed a message, and whether that still holds", async () => {
  const list = signingKey("list.example");
  const dns = resolverWith(list);
  const sealed = await seal(plain, dns, { key: list });
  const good = await terminalWith(sealed);
  good.resolver.add(recordName(list), "TXT", recordText(list.key));
  const { stdout } = await good.run(["check", "message", "bill.eml", ...words]);
  assert.match(flat(stdout), /ARC pass All seals .* of one set are good, .* It was sealed by list\.example\./);
  const withoutKey = await (await terminalWith(sealed)).run(["check", "message", "bill.eml", ...words]);
  assert.match(flat(withoutKey.stdout), /ARC fail .*no key record .* It claims to have been sealed by list\.example\./);
});

test("check message judges with the settings of the configuration", async () => {
  const terminal = await terminalWith(plain);
  const config =
    'hostname = "mx.example.net"\ndata_dir = "/var/lib/posthaste"\n[[listener]]\nkind = "mx"\n[dmarc]\nreject = "always"\n';
  await terminal.files.replaceFile("/home/ann/posthaste.toml", Buffer.from(config));
  const { code, stdout, stderr } = await terminal.run("check message bill.eml --ip 198.51.100.1 --from x@evil.example");
  assert.equal(code, 65, stderr);
  assert.match(flat(stdout), /The message would be refused with "550 5\.7\.1 Mail from example\.org fails DMARC/);
  assert.match(stdout, /^Authentication-Results: mx\.example\.net;$/m);
  assert.equal(stderr, "");
});

test("check message speaks JSON to scripts", async () => {
  const terminal = await terminalWith(plain.replaceAll("\r\n", "\n"));
  const { code, stdout, stderr } = await terminal.run(["check", "message", "bill.eml", ...words, "--json"]);
  assert.equal(code, 0);
  assert.equal(stderr, "");
  const answer = JSON.parse(stdout) as {
    outcome: string;
    notes: string[];
    checks: { check: string; result: string; explanation: string }[];
    authentication_results: string;
  };
  assert.equal(answer.outcome, "inbox");
  assert.deepEqual(
    answer.checks.map(({ check, result }) => `${check}=${result}`),
    ["iprev=pass", "spf=pass", "spf-helo=pass", "dkim=none", "arc=none", "dmarc=pass"],
  );
  assert.match(answer.notes.join(" "), /changed to end in CRLF/);
  assert.match(answer.authentication_results, /^Authentication-Results: localhost;\r\n/);
});

test("check message takes standard input, a Return-Path field and the first line of a mailbox file", async () => {
  const terminal = await terminalWith("");
  const input = `From ann Thu Jan  1 00:00:00 2026\nReturn-Path: <ann@example.org>\n${plain.replaceAll("\r\n", "\n")}`;
  const { code, stdout, stderr } = await terminal.run("check message - --ip 192.0.2.1", { input });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /reverse-path <ann@example\.org>/);
  assert.match(stderr, /which belongs to a mailbox file \(mbox\), was ignored/);
});

test("check message tells of results that somebody else wrote in our name", async () => {
  const terminal = await terminalWith(`Authentication-Results: LOCALHOST; dmarc=pass\r\n${plain}`);
  const { stderr } = await terminal.run(["check", "message", "bill.eml", ...words]);
  assert.match(stderr, /An Authentication-Results field bears this server's name/);
});

test("check message never shows a sender's control characters", async () => {
  const terminal = await terminalWith(plain.replace("Ann", "\x1b]0;owned\x07"));
  const { stdout } = await terminal.run(["check", "message", "bill.eml", ...words], { terminal: true });
  assert.ok(!stdout.includes("\x1b]"));
});

test("check message asks the DNS servers of the configuration", async () => {
  const terminal = await terminalWith(plain);
  const config =
    'hostname = "mx.example"\ndata_dir = "/d"\n[dns]\nservers = ["192.0.2.53"]\n[[listener]]\nkind = "mx"\n';
  await terminal.files.replaceFile("/home/ann/posthaste.toml", Buffer.from(config));
  const { stderr } = await terminal.run(["check", "message", "bill.eml", ...words]);
  assert.equal(stderr, "");
  assert.deepEqual(terminal.dnsServers, ["192.0.2.53"]);
});

test("check message names what it is missing", async () => {
  const terminal = await terminalWith(plain);
  const failures: readonly (readonly [string, RegExp, number])[] = [
    ["check message bill.eml", /--ip is required/, 64],
    ["check message bill.eml --ip 1.2.3", /"1\.2\.3" is not an IP address/, 64],
    ["check message bill.eml --ip 192.0.2.1", /--from is required/, 64],
    ["check message bill.eml --ip 192.0.2.1 --from a@b@c", /not an address/, 64],
    ["check message gone.eml --ip 192.0.2.1 --from a@b.example", /cannot be read/, 65],
  ];
  for (const [line, message, wanted] of failures) {
    const { code, stderr } = await terminal.run(line);
    assert.equal(code, wanted, line);
    assert.match(stderr, message);
  }
});

test("check message says where a server would refuse a header that can be read in two ways, or end it with an empty line", async () => {
  for (const [message, told] of [
    [` x\r\n${plain}`, /a server would refuse this message: .*begins with white space/],
    [`X-A: \0\r\n${plain}`, /a server would refuse this message: .*has a NUL/],
  ] as const) {
    const { code, stderr } = await (await terminalWith(message)).run(["check", "message", "bill.eml", ...words]);
    assert.equal(code, 65, stderr);
    assert.match(flat(stderr), told);
  }
  const terminal = await terminalWith(`${header}no field\r\n${plain}`);
  const { stderr } = await terminal.run(["check", "message", "bill.eml", ...words]);
  assert.match(
    stderr,
    /No empty line ends the header; a server inserts one before the first line that is not a header field\./,
  );
});
