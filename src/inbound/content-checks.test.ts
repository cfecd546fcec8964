/** Signing and forwarding as sessions use them: over which header, when, and where their fields go. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BodyHash, BodyHashes } from "../dkim/body-hashes.ts";
import type { ForwardedMessage, Forwarding } from "../forwarding/forwarding.ts";
import type { HeaderSection } from "../message/header-section.ts";
import { SenderAuthentication } from "../policy/authentication/sender-authentication.ts";
import type { MessageSigning } from "../signing/message-signing.ts";
import { plain, ReceivingServer } from "../testing/receiving-server.ts";
import {
  honestClient,
  senderSettings,
  type SenderSettingsInput,
  senderZone,
  strangeClient,
} from "../testing/sender-zone.ts";

const complete = "Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n";

/** Tells what it was given, and "signs" with the length of the canonical body. */
class FakeSigning implements MessageSigning {
  readonly headers: string[] = [];
  finished = 0;

  begin(header: HeaderSection, bodies: BodyHashes) {
    this.headers.push(header.bytes.toString("latin1"));
    const hash: BodyHash = bodies.request("simple", "sha256");
    return {
      finish: async () => {
        this.finished++;
        return `DKIM-Signature: l=${hash.canonicalLength} malformed=${bodies.malformedStart}\r\n`;
      },
    };
  }
}

class FakeForwarding implements Forwarding {
  readonly messages: ForwardedMessage[] = [];
  readonly headers: string[] = [];

  begin(header: HeaderSection) {
    this.headers.push(header.bytes.toString("latin1"));
    return {
      finish: async (message: ForwardedMessage) => {
        this.messages.push(message);
        return { form: { reversePath: "SRS0=x@example.org", headerBlock: "ARC-Seal: i=1\r\n" } };
      },
    };
  }

  reverse() {
    return undefined;
  }
}

function openServer(
  parts: {
    readonly signing?: MessageSigning;
    readonly forwarding?: Forwarding;
    readonly relayNetworks?: readonly string[];
  },
  settings: SenderSettingsInput = {},
) {
  const { relayNetworks = [], ...services } = parts;
  return ReceivingServer.open({
    relayNetworks,
    services: ({ clock, log }) => ({
      authentication: new SenderAuthentication({ resolver: senderZone(), clock, log }, senderSettings(settings)),
      ...services,
    }),
  });
}

test("submissions are signed over the header as stored, and the signature stands above all", async () => {
  const signing = new FakeSigning();
  await using server = await openServer({ signing });
  const client = await server.submitter();
  await client.envelope("<ann@example.org>", "<u@elsewhere.test>");
  assert.match(await client.content("From: ann@example.org\r\nBcc: hidden@x.example\r\n\r\nhello"), /^250 /);
  const { message, content } = await server.onlyMessage();
  const [header = ""] = signing.headers;
  assert.equal(content, `${header}\r\nhello\r\n`);
  assert.match(header, /^Date: [\s\S]*Message-ID: /);
  assert.doesNotMatch(header, /Bcc/);
  assert.match(message.headerBlock, /^DKIM-Signature: l=7 malformed=false\r\nReceived: /);
});

test("content without any header gets one before it is signed", async () => {
  const signing = new FakeSigning();
  await using server = await openServer({ signing });
  const client = await server.submitter();
  await client.envelope("<ann@example.org>", "<u@elsewhere.test>");
  assert.match(await client.content("hello, no header"), /^250 /);
  const { message } = await server.onlyMessage();
  assert.match(message.headerBlock, /^DKIM-Signature: l=18 malformed=false\r\n/);
});

test("a submission whose author does not belong to the login is not signed", async () => {
  const signing = new FakeSigning();
  await using server = await openServer({ signing });
  const client = await server.submitter();
  await client.envelope("<ann@example.org>", "<u@elsewhere.test>");
  assert.match(await client.content(`From: bob@example.org\r\n${complete}\r\nhello`), /^550 5\.7\.1 /);
  assert.equal(signing.finished, 0);
});

test("relay networks' mail is signed on the mx listener; strangers' is checked instead", async () => {
  const signing = new FakeSigning();
  await using server = await openServer({ signing, relayNetworks: ["203.0.113.0/24"] });
  for (const from of ["203.0.113.5", honestClient]) {
    const client = await server.client("mx", from);
    await client.envelope("<ann@example.org>", "<ann@example.org>");
    assert.match(await client.content("From: ann@example.org\r\n\r\nhello"), /^250 /);
  }
  const [relayed, received] = await server.messages();
  assert.match(relayed?.message.headerBlock ?? "", /^DKIM-Signature: [^\r]*\r\nReceived: /);
  assert.match(received?.message.headerBlock ?? "", /^Authentication-Results: /);
  assert.equal(signing.headers.length, 1);
});

test("forwarded mail is sealed over the header as stored, with what was found", async () => {
  const forwarding = new FakeForwarding();
  await using server = await openServer({ forwarding });
  const client = await server.client("mx", honestClient);
  await client.envelope("<ann@calm.example>", "<single@example.org>");
  const fields = "Authentication-Results: mail.example.net; dmarc=pass\r\nFrom: ann@calm.example\r\n";
  assert.match(await client.content(`${fields}\r\nhello`), /^250 /);
  const { message } = await server.onlyMessage();
  assert.deepEqual(forwarding.headers, ["From: ann@calm.example\r\n"]);
  const [sealed] = forwarding.messages;
  assert.equal(sealed?.reversePath, "ann@calm.example");
  assert.equal(sealed?.domain, "example.org");
  assert.equal(sealed?.arc?.result, "none");
  assert.match(sealed?.results ?? "", /^;\r\n\tiprev=pass/);
  assert.ok(message.headerBlock.includes(`Authentication-Results: mail.example.net${sealed?.results}\r\n`));
  assert.deepEqual(message.forwarded, { reversePath: "SRS0=x@example.org", headerBlock: "ARC-Seal: i=1\r\n" });
});

test("mail for our own mailboxes alone, and mail that is refused, is not sealed", async () => {
  const forwarding = new FakeForwarding();
  await using server = await openServer({ forwarding }, { dmarc: { reject: "always" } });
  const local = await server.client("mx", honestClient);
  await local.envelope("<ann@calm.example>", "<ann@example.org>");
  assert.match(await local.content("From: ann@calm.example\r\n\r\nhello"), /^250 /);
  const forger = await server.client("mx", strangeClient);
  await forger.envelope("<x@other.example>", "<single@example.org>");
  assert.match(await forger.content("From: ann@example.org\r\n\r\nhello"), /^550 5\.7\.1 /);
  assert.deepEqual(forwarding.messages, []);
});

test("where nobody looked for a chain, forwarding is not told that there is none", async () => {
  const forwarding = new FakeForwarding();
  await using server = await openServer({ forwarding }, { authentication: { check: false } });
  const client = await server.client("mx", strangeClient);
  await client.envelope("<x@other.example>", "<single@example.org>");
  assert.match(await client.content("From: x@other.example\r\n\r\nhello"), /^250 /);
  const [unchecked] = forwarding.messages;
  assert.deepEqual([unchecked?.results, unchecked?.arc], ["; none", undefined]);
});

test("BDAT in small pieces is checked like DATA", async () => {
  const signing = new FakeSigning();
  await using server = await openServer({ signing });
  const client = await server.client("submissions");
  await client.expect(`AUTH PLAIN ${plain("ann@example.org", "secret")}`, "235");
  await client.envelope("<ann@example.org>", "<u@elsewhere.test>");
  const content = `From: ann@example.org\r\n${complete}\r\nhello\r\n`;
  for (const [index, octet] of [...content].entries()) {
    client.send(`BDAT 1${index === content.length - 1 ? " LAST" : ""}\r\n${octet}`);
    assert.match(await client.reply(), /^250 /);
  }
  assert.match((await server.onlyMessage()).message.headerBlock, /^DKIM-Signature: l=7 malformed=false/);
});

test("a forgery of our own domain does not go on in our name, whichever way its author is hidden", async () => {
  const forgeries: Readonly<Record<string, readonly [content: string, reply: RegExp]>> = {
    plain: ["From: ceo@example.org\r\n", /^550 5\.7\.1 /],
    "white space first": [" x\r\nFrom: ceo@example.org\r\n", /^554 5\.6\.0 /],
    "white space before the colon": ["From : ceo@example.org\r\n", /^550 5\.7\.1 /],
    "text behind the address": ["From: CEO <ceo@example.org> x\r\n", /^550 5\.7\.1 /],
    "open comment": ["From: ceo@example.org (CEO\r\n", /^550 5\.7\.1 /],
    "two From fields": ["From: ceo@example.org\r\nFrom: ceo@example.org\r\n", /^550 5\.7\.1 /],
    "ours first": ["From: ceo@example.org, a@other.example\r\n", /^550 5\.7\.1 /],
    "ours last": ["From: a@other.example, ceo@example.org\r\n", /^550 5\.7\.1 /],
    "control character": ["From: CE\u0001O <ceo@example.org>\r\n", /^550 5\.7\.1 /],
    "no field before it": ["hello\r\nFrom: ceo@example.org\r\n", /^250 /],
    "of others": ["From: a@other.example, b@third.example\r\n", /^250 /],
    "no domain": ["From: MAILER-DAEMON\r\n", /^250 /],
  };
  for (const unreadable_author of ["junk", "deliver"] as const) {
    await using server = await openServer({ forwarding: new FakeForwarding() }, { dmarc: { unreadable_author } });
    const client = await server.client("mx", strangeClient);
    for (const [name, [head, expected]] of Object.entries(forgeries)) {
      await client.envelope("<a@other.example>", "<single@example.org>");
      assert.match(await client.content(`${head}Subject: t\r\n\r\npay`), expected, name);
    }
  }
});

test("where strangers are not checked, nothing of theirs goes on in the name of our own domains", async () => {
  await using server = await openServer({ forwarding: new FakeForwarding() }, { authentication: { check: false } });
  const client = await server.client("mx", strangeClient);
  for (const author of [
    "ceo@example.org",
    "ceo@news.example.org",
    "ceo@example.org (",
    "a@other.example, ceo@example.org",
  ]) {
    await client.envelope("<a@other.example>", "<single@example.org>");
    assert.match(await client.content(`From: ${author}\r\n\r\npay`), /^550 5\.7\.1 /, author);
  }
  // Mail for a mailbox of ours leads nowhere else.
  await client.envelope("<a@other.example>", "<ann@example.org>");
  assert.match(await client.content("From: ceo@example.org\r\n\r\npay"), /^250 /);
});
