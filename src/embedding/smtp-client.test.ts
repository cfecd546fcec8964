/** The client of the library against a server by script: what is final, closing, headers, and what the server lacks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NodeNetwork } from "../node/network/node-network.ts";
import { type PeerScript, ScriptedPeer } from "../testing/scripted-peer.ts";
import { type OutgoingMail, SendError, sendMail, SmtpClient, type SmtpClientOptions } from "./smtp-client.ts";

const mail = { from: "shop@example.org", to: "ann@example.org", text: "Hello" };
const auth = { username: "shop", password: "secret" };

async function listen(script: PeerScript = {}) {
  const peer = await ScriptedPeer.listen(new NodeNetwork(), { kind: "ip", address: "127.0.0.1", port: 0 }, script);
  if (peer.endpoint.kind !== "ip") throw new Error("not an IP address");
  return {
    peer,
    server: { host: "127.0.0.1", port: peer.endpoint.port },
    [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
  };
}

async function sent(given: Partial<OutgoingMail>, script: PeerScript = {}): Promise<string> {
  await using there = await listen(script);
  await sendMail(there.server, { ...mail, ...given });
  return there.peer.messages[0]?.content.toString() ?? "";
}

async function refusal(
  script: PeerScript,
  options: Partial<SmtpClientOptions> = {},
  given: Partial<OutgoingMail> = {},
): Promise<SendError> {
  await using there = await listen(script);
  const error: unknown = await sendMail({ ...there.server, ...options }, { ...mail, ...given }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SendError, String(error));
  return error;
}

test("what no later attempt would change is final", async () => {
  const login = (reply: string): PeerScript => ({
    keywords: ["AUTH PLAIN"],
    answer: ({ verb }) => (verb === "AUTH" ? reply : undefined),
  });
  const cases: readonly [PeerScript, Partial<SmtpClientOptions>, boolean, number | undefined][] = [
    [login("535 5.7.8 wrong password"), { auth }, false, 535],
    [login("454 4.7.0 not now"), { auth }, true, 454],
    [{ keywords: ["AUTH CRAM-MD5"] }, { auth }, false, undefined],
    [{ greeting: "554 5.7.1 go away" }, {}, false, 554],
    [{ greeting: "421 4.3.2 busy" }, {}, true, 421],
    [{}, { tls: "required" }, false, undefined],
    [{}, { tls: "verified" }, false, undefined],
    [{ keywords: ["STARTTLS"], answer: () => "502 5.5.1 no" }, { tls: "required" }, false, 502],
  ];
  for (const [script, options, isTemporary, replyCode] of cases) {
    const error = await refusal(script, options);
    assert.deepEqual([error.isTemporary, error.replyCode], [isTemporary, replyCode], error.message);
  }
});

test("a port where nobody listens is temporary, a name that cannot be looked up is a SendError", async () => {
  const gone = await listen();
  await gone[Symbol.asyncDispose]();
  await assert.rejects(sendMail(gone.server, mail), { name: "SendError", isTemporary: true, replyCode: undefined });
  await assert.rejects(sendMail({ host: `${"a".repeat(64)}.example` }, mail), {
    name: "SendError",
    message: / has no address$/,
  });
});

test("a lone CR is final, and the error lists the recipients refused so far", async () => {
  const script: PeerScript = { answer: ({ line }) => (/^RCPT.*bob/.test(line) ? "550 5.1.1 no Bob" : undefined) };
  const error = await refusal(script, {}, { to: ["ann@example.org", "bob@example.org"], raw: "Subject: a\n\nb\rc\n" });
  assert.equal(error.isTemporary, false);
  assert.deepEqual(error.refused, [{ address: "bob@example.org", code: 550, reply: "550 5.1.1 no Bob" }]);
});

test("closing twice at once says QUIT once; a message after close() goes over a new connection", async () => {
  await using there = await listen();
  const client = new SmtpClient(there.server);
  await client.send(mail);
  await Promise.all([client.close(), client.close()]);
  assert.equal(there.peer.verbs.filter((verb) => verb === "QUIT").length, 1);

  await client.send(mail);
  const closing = client.close();
  await client.send(mail);
  await closing;
  await client.send(mail);
  await client.close();
  assert.deepEqual([there.peer.sessions, there.peer.messages.length], [3, 4]);
});

test("an attachment may be any Uint8Array", async () => {
  const bytes = new Uint8Array([0, 1, 2, 3, 4]).subarray(1, 4);
  const content = await sent({ attachments: [{ name: "a.bin", bytes }] });
  assert.match(content, /\r\n\r\nAQID\r\n--part-/);
});

test("fields of the caller: beyond ASCII as encoded words, those of the body refused", async () => {
  const name = "X-Name-Of-Shop";
  const content = await sent({
    headers: { [name]: "Bücher und mehr, täglich geöffnet bis in die Nacht", "X-Tag": "a" },
  });
  assert.match(content, /^X-Name-Of-Shop:\r\n =\?utf-8\?B\?[^?]+\?=\r\n =\?utf-8\?B\?[^?]+\?=\r\nX-Tag: a\r\n/);
  assert.ok(content.split("\r\n").every((line) => line.length <= 76));

  const refused = (headers: Record<string, string>, message: string) =>
    assert.rejects(sent({ headers }), { name: "TypeError", message });
  const why = "it follows from text and attachments; use raw to write it yourself";
  await refused({ "content-type": "text/html" }, `"content-type" cannot be given: ${why}`);
  await refused({ "MIME-Version": "1.0" }, `"MIME-Version" cannot be given: ${why}`);
  const bad = "is not a valid field name, or its value has a line break";
  await refused({ "X Y": "a" }, `"X Y" ${bad}`);
  await refused({ "X-Y": "a\r\nBcc: b" }, `"X-Y" ${bad}`);
  const encode = "is not ASCII: write names in it as encoded words (RFC 2047)";
  await refused({ From: "Jörg <j@example.org>" }, `the value of "From" ${encode}`);
});

test("what the server lacks: no address beyond ASCII without SMTPUTF8, 8-bit content in 7 bits without 8BITMIME", async () => {
  const error = await refusal({ keywords: ["8BITMIME"] }, {}, { to: "jörg@example.org" });
  assert.match(error.message, /does not support SMTPUTF8/);
  assert.equal(error.isTemporary, false);

  const raw =
    "Subject: a\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGrün\n";
  assert.match(await sent({ raw }, { keywords: ["8BITMIME"] }), /8bit\r\n\r\nGr/);
  assert.match(await sent({ raw }), /base64\r\n\r\nR3LDvG4NCg==\r\n$/);
  const header = await refusal({}, {}, { raw: "Subject: Grün\n\na\n" });
  assert.match(header.message, /does not support 8BITMIME; the message was not converted/);
  assert.equal(header.isTemporary, false);
});
