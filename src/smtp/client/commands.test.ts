import { test } from "node:test";
import assert from "node:assert/strict";
import { noCapabilities, parseCapabilities, type Capabilities } from "./capabilities.ts";
import { isWireParameter, isWirePath, mailCommand, recipientCommand, type OutgoingEnvelope } from "./commands.ts";

const everything: Capabilities = {
  ...noCapabilities,
  extended: true,
  eightBitMime: true,
  binaryMime: true,
  smtpUtf8: true,
  dsn: true,
  size: true,
};
const envelope: OutgoingEnvelope = {
  reversePath: "Bob@our.test",
  recipients: [],
  body: "8BITMIME",
  smtpUtf8: true,
  size: 1234,
  ret: "HDRS",
  envelopeId: "QQ+2B314159",
};

test("DSN-005: parameters are passed on unchanged, case included, and none is invented", () => {
  assert.equal(
    mailCommand(envelope, everything, false),
    "MAIL FROM:<Bob@our.test> SIZE=1234 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B314159",
  );
  const recipient = {
    address: "Ann@x.test",
    notify: ["SUCCESS", "DELAY"],
    originalRecipient: "RFC822;Ann+2Bx@X.test",
  } as const;
  assert.equal(
    recipientCommand(recipient, everything, false),
    "RCPT TO:<Ann@x.test> NOTIFY=SUCCESS,DELAY ORCPT=RFC822;Ann+2Bx@X.test",
  );
  assert.equal(recipientCommand({ address: "a@x.test" }, everything, false), "RCPT TO:<a@x.test>");
  assert.equal(mailCommand({ ...envelope, reversePath: "" }, noCapabilities, true), "MAIL FROM:<>");
});

test("OPT-010: REQUIRETLS is passed on where it is offered", () => {
  const offering = parseCapabilities(["mx", "requiretls"]);
  const tagged = { ...envelope, requireTls: true } as const;
  assert.equal(mailCommand(tagged, offering, false), "MAIL FROM:<Bob@our.test> REQUIRETLS");
  assert.doesNotMatch(mailCommand(envelope, offering, false), /REQUIRETLS/);
  assert.doesNotMatch(mailCommand(tagged, everything, false), /REQUIRETLS/);
});

test("DSN-007: a peer without DSN gets none of its parameters", () => {
  const peer = { ...everything, dsn: false };
  assert.doesNotMatch(mailCommand(envelope, peer, false), /RET|ENVID/);
  assert.equal(
    recipientCommand({ address: "a@x.test", notify: ["NEVER"], originalRecipient: "rfc822;a@x.test" }, peer, false),
    "RCPT TO:<a@x.test>",
  );
});

test("DSN-006: a value that is no xtext is left out rather than sent broken", () => {
  assert.doesNotMatch(mailCommand({ ...envelope, envelopeId: "a b" }, everything, false), /ENVID/);
  const recipient = { address: "a@x.test", originalRecipient: "rfc822;a@x.test\r\nRSET" };
  assert.equal(recipientCommand(recipient, everything, false), "RCPT TO:<a@x.test>");
});

test("DSN-022: a utf-8 ORCPT keeps its octets with SMTPUTF8 and is escaped without", () => {
  const recipient = { address: "a@x.test", originalRecipient: "utf-8;你@x.test" };
  assert.match(recipientCommand(recipient, everything, true), / ORCPT=utf-8;你@x\.test$/);
  assert.match(recipientCommand(recipient, everything, false), / ORCPT=utf-8;\\x\{4F60\}@x\.test$/);
});

test("trap 20: an address cannot end its path or add a parameter", () => {
  for (const good of ["a@b.test", '"x> ORCPT=y"@d.test', '"a\\"b"@d.test', "a@[IPv6:::1]", "", "пример@b.test"]) {
    assert.equal(isWirePath(good), true, good);
  }
  for (const bad of [
    "x> ORCPT=y@d",
    "a b@d",
    "a@b\r\nRSET",
    '"open@d',
    "a\\@d",
    '"a\r\n"@d',
    "a@b\u0000",
    "<a@b",
    "a\u2028@b",
  ]) {
    assert.equal(isWirePath(bad), false, JSON.stringify(bad));
  }
  assert.equal(isWireParameter("a=b"), false);
  assert.equal(isWireParameter("a\tb"), false);
});

test("OPT-015: limits are obeyed; a broken list is ignored whole, a broken value alone", () => {
  const limits = (text: string) => parseCapabilities(["mx", text]).limits;
  assert.deepEqual(limits("LIMITS RCPTMAX=2 FOO=1"), { recipientsMax: 2 });
  assert.deepEqual(limits("limits mailmax=3 rcptmax=20"), { recipientsMax: 20, transactionsMax: 3 });
  assert.deepEqual(limits("LIMITS RCPTMAX=02 MAILMAX=5"), { transactionsMax: 5 });
  assert.deepEqual(limits("LIMITS RCPTMAX=2  MAILMAX=5"), {});
  assert.deepEqual(limits("LIMITS RCPTMAX=2 ;"), {});
  assert.deepEqual(limits("LIMITS RCPTMAX=9999999"), {});
  assert.deepEqual(limits("LIMITS"), {});
});

test("capabilities: any case, unknown lines passed over, BINARYMIME only with CHUNKING", () => {
  const peer = parseCapabilities(["mx", "size 1000", "8bitmime", "AUTH PLAIN", "AUTH=LOGIN", "BINARYMIME", "***", "X"]);
  assert.equal(peer.sizeMax, 1000);
  assert.equal(peer.eightBitMime, true);
  assert.deepEqual(peer.auth, ["PLAIN", "LOGIN"]);
  assert.equal(peer.binaryMime, false);
  assert.equal(parseCapabilities(["mx", "SIZE"]).size, true);
  assert.equal(parseCapabilities(["mx", "SIZE 0"]).sizeMax, undefined);
  assert.equal(parseCapabilities(["mx", "BINARYMIME", "CHUNKING"]).binaryMime, true);
});
