import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHeaderFields } from "./header-section.ts";
import { formatReceivedSpf, type ReceivedSpfFacts } from "./received-spf.ts";

const facts: ReceivedSpfFacts = {
  result: "pass",
  identity: "mailfrom",
  comment: "matched ip4:192.0.2.0/24 in the record of example.org",
  clientAddress: "192.0.2.1",
  reversePath: "a@example.org",
  hello: "mail.example.org",
  receiver: "mx.example.net",
};

test("SPF-016: Received-SPF names client, envelope sender and HELO", () => {
  assert.equal(
    formatReceivedSpf(facts),
    "Received-SPF: pass (matched ip4:192.0.2.0/24 in the record of example.org)\r\n" +
      '\tclient-ip=192.0.2.1; envelope-from="a@example.org";\r\n' +
      "\thelo=mail.example.org; receiver=mx.example.net; identity=mailfrom\r\n",
  );
  assert.match(
    formatReceivedSpf({ ...facts, clientAddress: "2001:db8::1", reversePath: "" }),
    /client-ip="2001:db8::1"; envelope-from="";/,
  );
});

test("SPF-016: what the sender chose can neither end the field nor add to it", () => {
  const field = formatReceivedSpf({
    ...facts,
    comment: "x) client-ip=10.0.0.1 (\\",
    reversePath: '"; client-ip=10.0.0.1; x="\r\nReceived-SPF: pass\u0000"@example.org',
    hello: "bad\r\n\r\nbody; identity=helo",
  });
  const { fields } = parseHeaderFields(Buffer.from(field));
  assert.equal(fields.length, 1);
  assert.equal(
    fields[0]?.value.replaceAll("\t", " "),
    "pass (x] client-ip=10.0.0.1 [/) client-ip=192.0.2.1;" +
      ' envelope-from="\\"; client-ip=10.0.0.1; x=\\" Received-SPF: pass?\\"@example.org";' +
      ' helo="bad body; identity=helo"; receiver=mx.example.net; identity=mailfrom',
  );
});

test("SPF-016: the field of an ordinary message is ASCII", () => {
  assert.match(formatReceivedSpf({ ...facts, reversePath: "jürgen@example.org" }), /^[\r\n\t\u0020-\u007e]+$/);
});
