/**
 * Whoever reads a stored message finds the fields that we found and judged, and our own above them whole: our reader and
 * postal-mime over hostile beginnings from a seed. Python and Dovecot: test/interop/header-readers.test.ts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import PostalMime from "postal-mime";
import { HeaderCollector, type HeaderSection, parseHeaderFields } from "../message/header-section.ts";
import { makeReceived } from "../message/received-field.ts";
import { hostileContent } from "../testing/hostile-headers.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { storeContent } from "../testing/stored-content.ts";
import { withoutForgedResults } from "../intake/header-edit.ts";

const received = makeReceived({ byHost: "mail.example.org", id: "1", at: 0, hello: "client.test" });

function read(bytes: Buffer): HeaderSection {
  const collector = new HeaderCollector();
  const progress = collector.push(bytes);
  const result = progress.kind === "need-more" ? collector.end() : progress;
  assert.ok(result.kind === "complete");
  return parseHeaderFields(result.header);
}

/** Names and values, white space and what is not ASCII aside: programs decode octets differently. */
function comparable(fields: Iterable<{ readonly name: string; readonly value: string }>): readonly string[] {
  return Array.from(fields, ({ name, value }) => {
    const text = value.replaceAll(/[^\u0000-\u007f]+/g, "?").replaceAll(/[ \t\r\n]+/g, " ");
    return `${name}: ${text.trim()}`;
  });
}

test("3,000 hostile beginnings: we and postal-mime read the same fields from what is stored, or it is refused", async () => {
  const random = new SeededRandom(20261129);
  const counts = { stored: 0, refused: 0 };
  for (let round = 0; round < 3000; round++) {
    const content = hostileContent(random);
    const stored = storeContent([content], { edit: (header) => withoutForgedResults(header, ["mail.ours.test"]) });
    counts[stored.kind]++;
    if (stored.kind === "refused") continue;
    const about = `round ${round}: ${JSON.stringify(content.toString("latin1").slice(0, 2000))}`;
    const expected = comparable([...read(Buffer.from(received)).fields, ...stored.header.fields]);
    const whole = Buffer.concat([Buffer.from(received), stored.bytes]);
    assert.deepEqual(comparable(read(whole).fields), expected, about);
    const withLf = Buffer.from(whole.toString("latin1").replaceAll("\r\n", "\n"), "latin1");
    for (const bytes of [whole, withLf]) {
      const { headers } = await PostalMime.parse(bytes);
      assert.deepEqual(comparable(headers.map(({ key, value }) => ({ name: key, value }))), expected, about);
    }
  }
  assert.ok(counts.stored > 1000 && counts.refused > 500, JSON.stringify(counts));
});
