/** Addresses as they stand in commands, in fields and in settings, and the rewritten ones of forwarding. */
import assert from "node:assert/strict";
import { dnsNameKeyOf, domainKeyOf, isAsciiDomain } from "../../../src/address/domain.ts";
import { parseIpAddress } from "../../../src/address/ip-address.ts";
import { formatMailbox, mailboxKey, parseMailbox } from "../../../src/address/mailbox-text.ts";
import type { Mailbox } from "../../../src/address/mailbox.ts";
import { parseForwardPath, parseReversePath } from "../../../src/address/path.ts";
import { looksLikeSrs, reverseSrs, srsFor, srsForToken, srsToken } from "../../../src/address/srs.ts";
import { isWirePath } from "../../../src/smtp/client/commands.ts";
import { texts } from "../seeds.ts";
import type { FuzzTarget } from "../target.ts";

const addressWords = [
  "@", "<", ">", "\"", "\\", "\\\"", "\\\\", ".", "..", ",", ":", " ", "[", "]", "[192.0.2.1]", "[IPv6:2001:db8::1]", "[IPv6:::ffff:1.2.3.4]", "a@b.test", "\"a b\"@b.test", "xn--", "xn--p1ai", "-", "_", "\0", "\t", "\r\n", "\x7f",
  "\xc2\x80", "\xc3\xa9", "\xe2\x80\xae", "\xef\xbc\xa1", "\xe3\x80\x82", "\xff", "\xf0\x9f\x98\x80", "%41", "/", "0x7f.1", "127.1", "postmaster", "<>", "@a.test,@b.test:", "+", "=",
]; // prettier-ignore

/** What was read says the same when it is written and read again, and cannot leave its brackets. */
function holds(mailbox: Mailbox): void {
  const text = formatMailbox(mailbox);
  assert.ok(isWirePath(text), JSON.stringify(text));
  if (mailbox.domain === "") return;
  // Written in its shortest form, it may have fewer quotes, never more than the limit.
  const again = parseMailbox(text);
  assert.deepEqual(again, mailbox);
  assert.equal(domainKeyOf(mailbox.domainKey), mailbox.domainKey, "a key is its own key");
  assert.equal(mailboxKey(mailbox), mailboxKey({ ...mailbox, domain: mailbox.domainKey }));
}

const paths: FuzzTarget = {
  name: "paths",
  family: "addresses",
  seeds: () =>
    texts(
      "<a.b+c@d.test> SIZE=1",
      "<@a.test,@b.test:\"q\\\" \\\\d\"@[IPv6:2001:db8::1]>",
      "<Postmaster>",
      "<\xc3\xa9@\xd0\xbf\xd1\x80.\xd1\x80\xd1\x84>",
      "ann@xn--e1afmkfd.xn--p1ai",
      "<>",
    ), // prettier-ignore
  words: addressWords,
  bytesMax: 600,
  stretchMax: 64 * 1024,
  run(input) {
    const text = input.toString("utf8");
    for (const smtpUtf8 of [false, true]) {
      const reverse = parseReversePath(text, { smtpUtf8 });
      const forward = parseForwardPath(text, { smtpUtf8 });
      for (const parsed of [reverse, forward]) {
        if (parsed.kind === "failure") {
          assert.match(parsed.text, /^[ -~]+$/);
          continue;
        }
        assert.equal(text.charAt(parsed.end - 1), ">");
        assert.ok(smtpUtf8 || !/[^\0-\x7f]/.test(text.slice(0, parsed.end)), "octets above 127 need SMTPUTF8");
        if (parsed.path !== null) holds(parsed.path);
      }
    }
    const mailbox = parseMailbox(text);
    if (mailbox !== undefined) {
      holds(mailbox);
      const path = parseForwardPath(`<${text}>`, { smtpUtf8: true });
      assert.deepEqual(path.kind === "path" && path.path, mailbox, "one grammar, one mailbox");
    }
    const key = domainKeyOf(text);
    if (key !== undefined) {
      assert.equal(domainKeyOf(key), key);
      assert.ok(/^[\x21-\x7e]{1,255}$/.test(key) && isAsciiDomain(key));
    }
    const name = dnsNameKeyOf(text);
    if (name !== undefined) assert.ok(name.length <= 253 && dnsNameKeyOf(name) === name);
    const address = parseIpAddress(text);
    if (address !== undefined) assert.equal(parseIpAddress(address.text)?.text, address.text);
  },
};

const keys = [Buffer.from("key of today"), Buffer.from("key of yesterday")];
const stranger = Buffer.from("key of somebody else");
const now = 1_700_000_000_000;
const signing = { domain: "forwarder.test", key: keys[0] ?? stranger, now };

const srs: FuzzTarget = {
  name: "srs",
  family: "SRS",
  seeds: () => [
    ...texts("ann@b.test", "\"a b=\\\"\"@b.test", "SRS0=abcdefgh=AB=c.test=d@e.test", "SRS1+abcdefgh=c.test==x=AB=d.test=e@f.test"),
    Buffer.from(srsFor({ localPart: "ann", domain: "b.test", domainKey: "b.test" }, signing)?.localPart ?? ""),
    Buffer.from(srsFor({ localPart: "SRS0=x=y=a.test=b", domain: "c.test", domainKey: "c.test" }, signing)?.localPart ?? ""),
    Buffer.from(srsForToken("ABCDEFGHIJKLMNOP", signing).localPart),
  ], // prettier-ignore
  words: [
    ...addressWords,
    ...["SRS0", "SRS1", "srs0=", "SRS0+", "SRS1-", "=", "==", "=+", "_", "AB", "77", "=_=", "ABCDEFGH"],
  ],
  bytesMax: 400,
  stretchMax: 64 * 1024,
  run(input) {
    const text = input.toString("utf8");
    // A local-part as it comes back. Only keys of ours make one: any change of a signed octet shows.
    const reversed = reverseSrs(text, keys, now);
    assert.equal(reversed === undefined || looksLikeSrs(text), true);
    if (reversed?.kind === "address") holds(reversed.mailbox);
    const foreign = reverseSrs(text, [stranger], now);
    assert.ok(foreign === undefined || foreign.kind === "forged");
    const original = parseMailbox(text);
    if (original === undefined) return;
    const rewritten = srsFor(original, signing);
    if (rewritten !== undefined) {
      holds(rewritten);
      const back = reverseSrs(rewritten.localPart, keys, now);
      assert.ok(back?.kind === "address");
      if (!looksLikeSrs(original.localPart)) {
        assert.deepEqual(back.mailbox.localPart, original.localPart);
        assert.equal(back.mailbox.domainKey, original.domainKey);
      }
      assert.equal(reverseSrs(rewritten.localPart, [stranger], now)?.kind, "forged");
      // One octet other than a letter's case, and it is a forgery.
      const at = 5 + (input.length % (rewritten.localPart.length - 5));
      const other = rewritten.localPart.charAt(at) === "x" ? "y" : "x";
      const changed = rewritten.localPart.slice(0, at) + other + rewritten.localPart.slice(at + 1);
      if (changed.toLowerCase() !== rewritten.localPart.toLowerCase()) {
        const verdict = reverseSrs(changed, keys, now);
        assert.ok(verdict === undefined || verdict.kind === "forged", changed);
      }
    }
    const token = srsToken(original, signing.key);
    assert.deepEqual(reverseSrs(srsForToken(token, signing).localPart, keys, now), { kind: "stored", token });
  },
};

export const addressTargets: readonly FuzzTarget[] = [paths, srs];
