import assert from "node:assert/strict";
import { test } from "node:test";
import { parseXclient } from "./xclient.ts";

test("FRONT-006: addresses of XCLIENT, in xtext, with IPV6: in any case, known or not", () => {
  for (const [argument, client, server] of [
    ["ADDR=192.0.2.9", "192.0.2.9"],
    ["addr=192.0.2.9 name=mail.example.org port=4000 proto=esmtp helo=x LOGIN=ann+40example.org", "192.0.2.9"],
    ["ADDR=IPV6:2001:DB8::9 DESTADDR=ipv6:2001:db8:0::25 DESTPORT=25", "2001:db8::9", "2001:db8::25"],
    ["ADDR=IPv6:::ffff:192.0.2.9", "192.0.2.9"],
    ["ADDR=192+2E0.2.9 DESTADDR=192.0.2.25", "192.0.2.9", "192.0.2.25"],
    ["ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL]", null],
    ["NAME=[unavailable]  ADDR=[tempunavail] DESTADDR=[UNAVAILABLE] PORT=[UNAVAILABLE]", null],
    ["ADDR=+5BUNAVAILABLE+5D", null],
  ] as const) {
    assert.deepEqual(parseXclient(argument), { client, ...(server !== undefined && { server }) }, argument);
  }
});

test("FRONT-005: what is malformed, unknown, given twice, or has no ADDR gets 501", () => {
  for (const argument of [
    ...["", "ADDR", "ADDR=", "NAME=x", "ADDR=localhost", "ADDR=2001:db8::9", "ADDR=IPV6:192.0.2.9", "ADDR=IPV6:"],
    ...["ADDR=192.0.2.9 ADDR=192.0.2.9", "ADDR=192.0.2.9 addr=192.0.2.8", "ADDR=192.0.2.9 X=1", "ADDR=192.0.2.9%1"],
    ...["ADDR=192.0.2.9 PORT=65536", "ADDR=192.0.2.9 PORT=01", "ADDR=192.0.2.9 PROTO=HTTP", "ADDR=[UNKNOWN]"],
    ...["ADDR=192.0.2.9 HELO=a+0Ab", "ADDR=192.0.2.9 HELO=a+0", "ADDR=192.0.2.9 NAME=+C3+A9", "ADDR=192.0.2.256"],
    `ADDR=192.0.2.9 NAME=${"x".repeat(256)}`,
  ]) {
    const found = parseXclient(argument);
    assert.ok("code" in found && found.code === 501, argument);
  }
});
