/** Rewritten reverse-paths: there and back, through other forwarders, through hostile hands. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatMailbox, mailboxKey, parseMailbox } from "./mailbox-text.ts";
import type { Mailbox } from "./mailbox.ts";
import { looksLikeSrs, reverseSrs, srsFor, srsForToken, srsToken } from "./srs.ts";

const day = 86_400_000;
const now = Date.UTC(2026, 0, 31, 12);
const key = Buffer.from("a key of this server, 32 octets .");
const other = Buffer.from("another key, of somebody else ....");
const signing = { domain: "fwd.example", key, now };

function mailbox(text: string): Mailbox {
  return parseMailbox(text) ?? assert.fail(text);
}

function forward(original: string, using = signing): string {
  return formatMailbox(srsFor(mailbox(original), using) ?? assert.fail(`${original} is too long`));
}

/** What a bounce to `address` comes to: an address, or why not. */
function back(address: string, keys: readonly Uint8Array[] = [key], at = now): string | undefined {
  const reversed = reverseSrs(mailbox(address).localPart, keys, at);
  return reversed?.kind === "address" ? formatMailbox(reversed.mailbox) : reversed?.kind;
}

test("an address goes into ours and comes back; the form is the one that forwarders share", () => {
  const rewritten = forward("Joe.Bloggs@origin.test");
  assert.match(rewritten, /^SRS0=[A-Z2-7]{8}=[A-Z2-7]{2}=origin\.test=Joe\.Bloggs@fwd\.example$/);
  assert.equal(back(rewritten), "Joe.Bloggs@origin.test");
  assert.equal(forward("Joe.Bloggs@origin.test"), rewritten, "the same all day");
});

test("odd local-parts come back as they were: quoted, empty, with separators, international, at literals", () => {
  const originals = [
    '"a b"@o.test',
    '""@o.test',
    '"a@b"@o.test',
    '"q\\"\\\\"@o.test',
    "a=b=c@o.test",
    "=@o.test",
    "a+tag-x@o.test",
    "srs@o.test",
    "srs0x@o.test",
    "SRS1=odd@o.test",
    "joe@[192.0.2.1]",
    "joe@[IPv6:2001:db8::1]",
    "jürgen@o.test",
  ];
  for (const original of originals) {
    const rewritten = forward(original);
    assert.ok(parseMailbox(rewritten), rewritten);
    assert.equal(back(rewritten), original, rewritten);
  }
  // The domain travels in A-labels: what is ASCII stays so.
  assert.equal(back(forward("joe@bücher.example")), "joe@xn--bcher-kva.example");
});

test("another forwarder's address becomes SRS1, and a third one's is signed anew without growing", () => {
  for (const separator of ["=", "+", "-"]) {
    const first = `SRS0${separator}abcd=EF=origin.test=joe@first.test`;
    const second = forward(first);
    assert.match(
      second,
      new RegExp(`^SRS1=[A-Z2-7]{8}=first\\.test=\\${separator}abcd=EF=origin\\.test=joe@fwd\\.example$`),
    );
    assert.equal(back(second), first, "the next hop of the bounce is the forwarder before us");
    const third = { domain: "third.test", key: other, now };
    const again = forward(second.replace("@fwd.example", "@second.test"), third);
    assert.equal(again.length, second.length - "fwd.example".length + "third.test".length);
    assert.notEqual(again, second.replace("fwd.example", "third.test"), "signed with the third one's key");
    assert.equal(back(again, [other]), first);
    assert.equal(back(again), "forged");
  }
  for (const separator of ["+", "-"]) {
    const first = `srs1${separator}wxyz=first.test==abcd=EF=origin.test=joe@second.test`;
    assert.equal(back(forward(first)), "SRS0=abcd=EF=origin.test=joe@first.test");
  }
});

test("all three first separators are taken back", () => {
  const rewritten = forward("joe@origin.test");
  for (const separator of ["=", "+", "-"]) {
    assert.equal(back(rewritten.replace("SRS0=", `SRS0${separator}`)), "joe@origin.test");
  }
  const chained = forward("SRS0=abcd=EF=o.test=joe@first.test");
  assert.equal(back(chained.replace("SRS1=", "SRS1+")), "SRS0=abcd=EF=o.test=joe@first.test");
});

test("relays that change the case of local-parts lose nothing but the case", () => {
  for (const original of ["Joe@Origin.Test", "SRS0=AbCd=EF=origin.test=Joe@first.test"]) {
    const rewritten = forward(original);
    for (const changed of [rewritten.toLowerCase(), rewritten.toUpperCase()]) {
      const reversed = parseMailbox(back(changed) ?? "") ?? assert.fail(changed);
      assert.equal(mailboxKey(reversed), mailboxKey(mailbox(original)));
    }
  }
});

test("a Kelvin sign is no K, and a long s no S: in the hash, in the stamp, in the signed address", () => {
  const looksLike = (text: string) => text.replaceAll(/k/gi, "\u{212a}").replaceAll(/s/gi, "\u{17f}");
  // A stamp with a K, and hashes with a K or an S.
  const days = Array.from({ length: 64 }, (_, index) => now + index * day);
  let tried = 0;
  for (const at of days) {
    const { localPart } = srsFor(mailbox("kiss@origin.test"), { ...signing, now: at }) ?? assert.fail();
    const [, hash = "", stamp = ""] = localPart.split("=");
    for (const part of [hash, stamp, "kiss"]) {
      const changed = localPart.replace(`=${part}`, `=${looksLike(part)}`);
      if (changed === localPart) continue;
      tried++;
      const reversed = reverseSrs(changed, [key], at);
      assert.ok(reversed === undefined || reversed.kind === "forged", changed);
    }
  }
  assert.ok(tried > days.length, String(tried));
});

test("an address is good for 21 days, and for a clock that is a day behind; then it is expired, not forged", () => {
  const rewritten = forward("joe@origin.test");
  assert.equal(back(rewritten, [key], now + 21 * day), "joe@origin.test");
  assert.equal(back(rewritten, [key], now + 22 * day), "expired");
  assert.equal(back(rewritten, [key], now + 1000 * day), "expired");
  assert.equal(back(rewritten, [key], now - day), "joe@origin.test");
  assert.equal(back(rewritten, [key], now - 2 * day), "expired");
  // The stamp comes round after 1024 days; the keys do not live so long.
  for (const start of [0, 1023 * day, 1024 * day, 20_000 * day]) {
    const made = forward("joe@origin.test", { ...signing, now: start });
    assert.equal(back(made, [key], start + 21 * day), "joe@origin.test");
    assert.equal(back(made, [key], start + 22 * day), "expired");
  }
});

test("all keys verify, whichever signed; without the one that did it is forged", () => {
  const rewritten = forward("joe@origin.test");
  assert.equal(back(rewritten, [other, key]), "joe@origin.test");
  assert.equal(back(rewritten, [other]), "forged");
  assert.equal(back(rewritten, []), "forged");
});

test("nothing of an address can be changed: hash, stamp, domain, name", () => {
  const forged = (address: string) => assert.equal(back(address), "forged", address);
  const rewritten = forward("joe@origin.test");
  forged(rewritten.replace("=joe@", "=jim@"));
  forged(rewritten.replace("=origin.test=", "=origin.tes="));
  forged(rewritten.replace("=origin.test=joe", "=origin=test=joe"));
  forged(rewritten.replace(/=(..)=origin/, (_, stamp: string) => `=${stamp === "AA" ? "BB" : "AA"}=origin`));
  const hash = /=(\w{8})=/.exec(rewritten)?.[1] ?? "";
  for (const wrong of ["AAAAAAAA", hash.slice(0, 4), `${hash}A`, hash.slice(1) + "2", "ÄÄÄÄÄÄÄÄ", "ßßßß"]) {
    if (wrong !== hash) forged(rewritten.replace(hash, wrong));
  }
  const chained = forward("SRS0=abcd=EF=o.test=joe@first.test");
  forged(chained.replace("first.test", "victim.test"));
  forged(chained.replace("=joe@", "=jim@"));
  // A hash made for one form is none for the other.
  const tail = "=abcd=EF=o.test=joe";
  forged(`SRS1=${hash}=first.test=${tail}@fwd.example`);
});

test("names that only look alike are ordinary names", () => {
  for (const name of ["srs0", "srs", "SRS2=a=b=c=d", "srsuser", "SRS0", "SRS", "mrs0=x"]) {
    assert.equal(looksLikeSrs(name), false, name);
    assert.equal(reverseSrs(name, [key], now), undefined);
  }
  for (const name of [
    "srs0-news",
    "SRS0=",
    "SRS0=a=b=c",
    "SRS0=abcdefgh=A=x=y",
    "SRS0==AB=x=y",
    "SRS1=a=b",
    "SRS1-list",
  ]) {
    assert.equal(reverseSrs(name, [key], now), undefined, name);
  }
});

test("what would not fit 64 octets is kept under a token instead", () => {
  const long = mailbox(`bounce+${"x".repeat(40)}@mail.sender.test`);
  assert.equal(srsFor(long, signing), undefined);
  const token = srsToken(long, key);
  assert.match(token, /^[A-Z2-7]{16}$/);
  assert.equal(srsToken(mailbox(formatMailbox(long).toUpperCase()), key), token);
  assert.notEqual(srsToken(mailbox("joe@origin.test"), key), token);
  const rewritten = srsForToken(token, signing);
  assert.ok(Buffer.byteLength(rewritten.localPart) <= 64);
  assert.ok(parseMailbox(formatMailbox(rewritten)));
  const reversed = reverseSrs(rewritten.localPart.toLowerCase(), [key], now);
  assert.deepEqual(reversed, { kind: "stored", token });
  assert.equal(back(formatMailbox(rewritten), [key], now + 22 * day), "expired");
  assert.equal(back(formatMailbox(rewritten), [other]), "forged");
  // 64 octets exactly, and one more.
  const overhead = "SRS0=12345678=AB=d.test=".length;
  const fits = `${"x".repeat(64 - overhead)}@d.test`;
  assert.equal(forward(fits).indexOf("@"), 64);
  assert.equal(srsFor(mailbox(`x${fits}`), signing), undefined);
});

test("any address comes back equal, whatever its parts, or is too long (property)", () => {
  const letters = fc.constantFrom(...'ab=+-.@"\\ <>%!éß[]{}Σ');
  const local = fc.array(letters, { maxLength: 24 }).map((parts) => parts.join(""));
  const domain = fc.constantFrom("o.test", "xn--bcher-kva.example", "[192.0.2.1]", "a.b.c.d.example");
  const prefix = fc.constantFrom("", "", "SRS0=", "SRS1=", "srs0+", "SRS0-a=b=c=", "SRS1=x=first.test==");
  fc.assert(
    fc.property(prefix, local, domain, (start, rest, domainKey) => {
      const original = { localPart: start + rest, domain: domainKey, domainKey };
      const rewritten = srsFor(original, signing);
      if (rewritten === undefined) return;
      const parsed = mailbox(formatMailbox(rewritten));
      const reversed = reverseSrs(parsed.localPart, [key], now);
      assert.equal(reversed?.kind, "address");
      if (reversed?.kind === "address" && !looksLikeSrs(original.localPart)) {
        assert.equal(mailboxKey(reversed.mailbox), mailboxKey(original));
        assert.equal(reversed.mailbox.localPart, original.localPart);
      }
    }),
    { numRuns: 2000 },
  );
});

test("no text that others make up verifies, and none throws (property)", () => {
  const piece = fc.constantFrom(
    "=",
    "==",
    "SRS0",
    "SRS1",
    "+",
    "-",
    "AB",
    "AAAAAAAA",
    "d.test",
    "joe",
    "_",
    "\0",
    "ß",
    "",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const reversed = reverseSrs(`SRS0=${pieces.join("")}`, [key], now);
      assert.ok(reversed === undefined || reversed.kind === "forged");
      const chained = reverseSrs(`SRS1=${pieces.join("")}`, [key], now);
      assert.ok(chained === undefined || chained.kind === "forged");
    }),
    { numRuns: 2000 },
  );
});
