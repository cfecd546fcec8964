import { test } from "node:test";
import assert from "node:assert/strict";
import type { FaultOwner } from "../dsn/report.ts";
import { ReplyReader } from "../smtp/reply-reader.ts";
import { faultOwner } from "./fault-owner.ts";

function ownerOf(text: string, command = "RCPT"): FaultOwner {
  const reader = new ReplyReader();
  reader.receive(Buffer.from(`${text}\r\n`));
  const reply = reader.next();
  assert.ok(reply);
  return faultOwner(reply, command);
}

test("who has to act is read from status, words and command", () => {
  const cases: readonly [string, string, FaultOwner][] = [
    ["550 5.1.1 <a@b>: Recipient address rejected: User unknown", "RCPT", "recipient"],
    ["550-5.1.1 The email account that you tried to reach does not exist", "RCPT", "recipient"],
    ["452 4.2.2 The recipient's inbox is out of storage space", "RCPT", "recipient"],
    ["550 No such user here", "RCPT", "recipient"],
    ["556 domain takes no mail", "RCPT", "recipient"],
    ["550 5.1.8 sender's domain does not exist", "MAIL", "policy"],
    ["550 rejected", "RCPT", "policy"],
    ["554 5.7.1 Service unavailable; client host [192.0.2.1] blocked using zen.spamhaus.org", "RCPT", "our-reputation"],
    ["550 5.1.1 your IP is on our blacklist", "RCPT", "our-reputation"],
    ["421 4.7.0 [TSS04] Messages temporarily deferred due to unexpected volume", "MAIL", "our-reputation"],
    ["550 5.7.26 This mail is unauthenticated", "end of data", "our-reputation"],
    ["550 5.7.515 Access denied, sending domain does not meet DKIM", "end of data", "our-reputation"],
    ["554 5.7.9 Message not accepted for policy reasons", "end of data", "our-reputation"],
    ["550 5.7.9 Authentication mechanism is too weak", "MAIL", "our-authentication"],
    ["550 5.4.1 Recipient address rejected: Access denied.", "RCPT", "recipient"],
    ["550 5.4.1 no answer from host", "RCPT", "remote-trouble"],
    ["554 5.7.1 <a@b>: Relay access denied", "RCPT", "policy"],
    ["530 5.7.0 Authentication required", "MAIL", "our-authentication"],
    ["535 5.7.8 bad credentials", "AUTH", "our-authentication"],
    ["552 5.3.4 Message too big", "MAIL", "content"],
    ["554 5.6.0 bad content", "end of data", "content"],
    ["554 no", "end of data", "content"],
    ["451 4.3.0 trouble", "RCPT", "remote-trouble"],
    ["450 later", "RCPT", "remote-trouble"],
    ["503 5.5.1 sequence", "DATA", "remote-trouble"],
  ];
  for (const [reply, command, owner] of cases) {
    assert.equal(ownerOf(reply.replace(/^(\d{3})-/, "$1 "), command), owner, reply);
  }
});

test("no refusal without evidence is called the recipient's fault", () => {
  for (const text of [
    "550 no",
    "554 5.0.0 failed",
    "550 5.7.1 denied",
    "571 policy",
    "550 administrative prohibition",
  ]) {
    assert.notEqual(ownerOf(text), "recipient", text);
  }
});
