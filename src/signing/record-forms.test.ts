/** Records as DNS providers want them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { recordText, readPrivateKey } from "../dkim/signing-key.ts";
import { testKey } from "../testing/test-crypto.ts";
import { recordForms } from "./record-forms.ts";
import { isSelector, newSelector } from "./selector.ts";

test("a long record is cut into strings of at most 255 octets, which joined are the record", () => {
  const read = readPrivateKey(testKey("rsa"));
  assert.ok(read.kind === "key");
  const text = recordText(read.key);
  const forms = recordForms("mail._domainkey.example.org", text);
  assert.equal(forms.text, text);
  const strings = [...forms.quoted.matchAll(/"([^"]*)"/g)].map(([, string = ""]) => string);
  assert.equal(strings.join(""), text);
  assert.deepEqual(
    strings.map(({ length }) => length),
    [255, text.length - 255],
  );
  assert.equal(forms.zone, `mail._domainkey.example.org. 3600 IN TXT ( ${forms.quoted} )`);
});

test("a short record is one string, without brackets in the zone line", () => {
  const { quoted, zone } = recordForms("a.test", "v=DKIM1; p=x");
  assert.equal(quoted, '"v=DKIM1; p=x"');
  assert.equal(zone, 'a.test. 3600 IN TXT "v=DKIM1; p=x"');
});

test("selectors: letters, digits, hyphens inside, labels with dots between", () => {
  for (const text of ["mail", "S2026", "a-b", "a.b", "1"]) assert.ok(isSelector(text), text);
  for (const text of ["", "-a", "a-", "a..b", ".a", "a_b", "a b", "a".repeat(64), "é", `${"a.".repeat(60)}a`]) {
    assert.ok(!isSelector(text), text);
  }
});

test("a new name tells the day, and no name is taken twice", () => {
  const taken = new Set(["p20260131-rsa", "p20260131-rsa-2"]);
  const at = Date.UTC(2026, 0, 31, 23, 59);
  assert.equal(
    newSelector(at, "rsa", (selector) => taken.has(selector)),
    "p20260131-rsa-3",
  );
  assert.ok(isSelector(newSelector(at, "ed25519", () => false)));
});
