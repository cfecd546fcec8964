/** IP addresses; the parser of lib/ip-network.ts is tested with them. */
import assert from "node:assert/strict";
import { isIP } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { ipAddressOf, isLoopback, isPrivate, parseIpAddress, type IpAddress } from "./ip-address.ts";

function address(text: string): IpAddress {
  return parseIpAddress(text) ?? assert.fail(text);
}

test("addresses have one normal form", () => {
  const forms = [
    ["192.0.2.1", "192.0.2.1"],
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:c000:201", "192.0.2.1"],
    ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
  ] as const;
  for (const [text, normal] of forms) assert.equal(address(text).text, normal);
});

test("what is not an address is refused", () => {
  const bad = [
    "",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "01.2.3.4",
    "1.2.3.4 ",
    " 1.2.3.4",
    "0x7f.1",
    "1e1.1.1.1",
    "+1.2.3.4",
  ];
  bad.push(":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "::g", "1.2.3.4::", "::1.2.3.4:5");
  bad.push("fe80::1%eth0", "1:2:3:4:5:6:7::8:9", "::1/64", "1:2:3:4:5:6:7:1.2.3.4", "1:", ":1", "1:2:3:4:5:6:7:8:");
  for (const text of bad) assert.equal(parseIpAddress(text), undefined, text);
});

test("property: same verdict as the platform's parser, and the normal form parses to the same octets", () => {
  const piece = fc.constantFrom("0", "1", "ff", "FFFF", "::", ":", ".", "255", "1.2.3.4", "db8");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 17 }), (pieces) => {
      const text = pieces.join("");
      const parsed = parseIpAddress(text);
      assert.equal(parsed !== undefined, isIP(text) !== 0, text);
      if (parsed) assert.deepEqual(address(parsed.text).octets, parsed.octets);
    }),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (octets) => {
      const value = ipAddressOf(octets);
      assert.deepEqual(address(value.text).octets, value.octets);
    }),
  );
});

test("kinds of address", () => {
  for (const text of ["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "::127.0.0.1"]) {
    assert.ok(isLoopback(address(text)), text);
  }
  for (const text of ["128.0.0.1", "::2", "::"]) assert.ok(!isLoopback(address(text)), text);
  const inner = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.127.255.255",
    "169.254.1.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
  ];
  inner.push(
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "fc00::1",
    "fdff::",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "64:ff9b::10.0.0.1",
  );
  for (const text of inner) assert.ok(isPrivate(address(text)), text);
  const outer = [
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.0.1",
    "172.32.0.1",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "2001:db8::1",
    "2a00::1",
    "64:ff9b::8.8.8.8",
  ];
  for (const text of outer) assert.ok(!isPrivate(address(text)), text);
});
