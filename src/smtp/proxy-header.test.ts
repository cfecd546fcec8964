/** PROXY headers of both versions: whole, octet by octet, with the client's first octets after them, and broken ones. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ipv4Body, proxyV2, tlv } from "../testing/proxy-v2.ts";
import { proxyHeaderBytesMax, type ProxyHeader, type ProxyReading, readProxyHeader } from "./proxy-header.ts";

/** The same whole, and with each octet alone; what follows is not touched. */
function read(text: string | Buffer): ProxyReading {
  const octets = Buffer.from(text as string, "latin1");
  const whole = readProxyHeader(octets);
  let first: ProxyReading = { kind: "incomplete" };
  for (let length = 0; first.kind === "incomplete" && length <= octets.length; length++) {
    first = readProxyHeader(octets.subarray(0, length));
    if (first.kind === "header") assert.equal(first.length, length);
  }
  assert.deepEqual(first, whole);
  return whole;
}

function header(text: string | Buffer): ProxyHeader {
  const reading = read(text);
  assert.equal(reading.kind, "header");
  return (reading as Extract<ProxyReading, { kind: "header" }>).header;
}

function fault(text: string | Buffer): string {
  const reading = read(text);
  return reading.kind === "fault" ? reading.fault : reading.kind;
}

const client4 = { address: "203.0.113.9", port: 4000 };
const server4 = { address: "192.0.2.25", port: 25 };

test("FRONT-003: version 1: addresses of both families in normal form, and UNKNOWN with anything after it", () => {
  assert.deepEqual(header("PROXY TCP4 203.0.113.9 192.0.2.25 4000 25\r\nEHLO"), {
    kind: "proxied",
    client: client4,
    server: server4,
  });
  assert.deepEqual(header("PROXY TCP6 2001:DB8:0::9 2001:db8::25 65535 465\r\n"), {
    kind: "proxied",
    client: { address: "2001:db8::9", port: 65_535 },
    server: { address: "2001:db8::25", port: 465 },
  });
  const mapped = header("PROXY TCP6 ::ffff:203.0.113.9 ::ffff:192.0.2.25 4000 25\r\n");
  assert.deepEqual(mapped, { kind: "proxied", client: client4, server: server4 });
  assert.deepEqual(header("PROXY UNKNOWN\r\n"), { kind: "unknown" });
  assert.deepEqual(header("PROXY UNKNOWN ffff:f whatever 1 2\r\n"), { kind: "unknown" });
});

test("FRONT-003: version 1: what is not exactly a header is a fault, and never a client", () => {
  for (const line of [
    "PROXY TCP4 203.0.113.9 192.0.2.25 4000\r\n",
    "PROXY TCP4 203.0.113.9 192.0.2.25 4000 25 26\r\n",
    "PROXY TCP4  203.0.113.9 192.0.2.25 4000 25\r\n",
    "PROXY TCP4 203.0.113.9 192.0.2.25 4000 25 \r\n",
    "PROXY TCP4 203.0.113.09 192.0.2.25 4000 25\r\n",
    "PROXY TCP4 203.0.113.9 192.0.2.25 04000 25\r\n",
    "PROXY TCP4 203.0.113.9 192.0.2.25 65536 25\r\n",
    "PROXY TCP4 203.0.113.9 192.0.2.25 -1 25\r\n",
    "PROXY TCP4 2001:db8::9 192.0.2.25 4000 25\r\n",
    "PROXY TCP6 203.0.113.9 192.0.2.25 4000 25\r\n",
    "PROXY TCP6 fe80::1%eth0 2001:db8::25 4000 25\r\n",
    "PROXY UDP4 203.0.113.9 192.0.2.25 4000 25\r\n",
    "PROXY UNKNOWNX\r\n",
    "PROXY tcp4 203.0.113.9 192.0.2.25 4000 25\r\n",
    "PROXY \r\n",
    "PROXY TCP4 203.0.113.9 192.0.2.25 4000 25\n",
    "PROXY TCP4 203.0.113.9 192.0.2.25 4000 25\r\r\n",
    "PROXY TCP4 203.0.113.9\t192.0.2.25 4000 25\r\n",
    "PROXY UNKNOWN \x80\r\n",
    "PROXY UNKNOWN\0\r\n",
  ]) {
    assert.equal(fault(line), "malformed", line);
  }
  for (const other of [
    "EHLO client.test\r\n",
    "proxy TCP4",
    "PROXX",
    "\x16\x03\x01",
    "\r\nEHLO",
    "\r\n\r\n\0\r\nQUIX",
  ]) {
    assert.equal(fault(other), "absent", other);
  }
});

test("FRONT-002 FRONT-003: version 1: a line of 107 octets is read, and one that has no end by then is too long", () => {
  const longest = `PROXY UNKNOWN ${"f".repeat(107 - 16)}\r\n`;
  assert.equal(longest.length, 107);
  assert.deepEqual(header(longest), { kind: "unknown" });
  assert.equal(fault(`PROXY UNKNOWN ${"f".repeat(107 - 15)}\r\n`), "too-long");
  assert.equal(fault(`PROXY UNKNOWN ${"f".repeat(200)}`), "too-long");
  assert.equal(fault("PROXY UNKNOWN"), "incomplete");
});

test("FRONT-004: version 2: both families, LOCAL, a unix socket, and no family", () => {
  assert.deepEqual(header(proxyV2()), { kind: "proxied", client: client4, server: server4 });
  const body6 = Buffer.alloc(36);
  body6.set([0x20, 1, 0x0d, 0xb8], 0);
  body6.set([0x20, 1, 0x0d, 0xb8], 16);
  body6[15] = 9;
  body6[31] = 0x25;
  body6.writeUInt16BE(4000, 32);
  body6.writeUInt16BE(465, 34);
  assert.deepEqual(header(proxyV2({ family: 0x21, body: body6 })), {
    kind: "proxied",
    client: { address: "2001:db8::9", port: 4000 },
    server: { address: "2001:db8::25", port: 465 },
  });
  assert.deepEqual(header(proxyV2({ command: 0x20, family: 0, body: Buffer.alloc(0) })), { kind: "local" });
  // Of LOCAL nothing but the length counts.
  assert.deepEqual(header(proxyV2({ command: 0x20, family: 0x7f, body: Buffer.from("anything") })), { kind: "local" });
  assert.deepEqual(header(proxyV2({ family: 0x31, body: Buffer.alloc(216) })), { kind: "unknown" });
  assert.deepEqual(header(proxyV2({ family: 0, body: Buffer.alloc(0) })), { kind: "unknown" });
});

test("FRONT-004: version 2: TLS and server name of the client are read, all other fields passed over", () => {
  const ssl = Buffer.concat([
    Buffer.from([0x01, 0, 0, 0, 0]),
    tlv(0x21, "TLSv1.3"),
    tlv(0x23, "TLS_AES_256_GCM_SHA384"),
    tlv(0x22, "a client"),
  ]);
  const tlvs = [
    [0x02, "mail.example.org"],
    [0x20, ssl],
    [0x04, Buffer.alloc(9)],
    [0xe0, "custom"],
  ] as const;
  assert.deepEqual(header(proxyV2({ tlvs })), {
    kind: "proxied",
    client: client4,
    server: server4,
    tls: { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" },
    serverName: "mail.example.org",
  });
  const clear = Buffer.from([0, 0, 0, 0, 1]);
  assert.deepEqual(header(proxyV2({ tlvs: [[0x20, clear]] })), { kind: "proxied", client: client4, server: server4 });
  const hostile = header(proxyV2({ tlvs: [[0x02, "a\u001b[31m\r\nb"]] }));
  assert.equal(hostile.kind === "proxied" && hostile.serverName, "a?[31m??b");
});

test("FRONT-004: version 2: a checksum is compared", () => {
  const right = proxyV2({ tlvs: [[0x03, Buffer.alloc(4)]] });
  right.writeUInt32BE(reflectedCrc32c(right), right.length - 4);
  assert.equal(header(right).kind, "proxied");
  right[20] = (right[20] ?? 0) ^ 1;
  assert.equal(fault(right), "checksum");
  assert.equal(fault(proxyV2({ tlvs: [[0x03, Buffer.alloc(3)]] })), "malformed");
});

/** By table, unlike the product. iSCSI publishes the check values: 32 octets of zeros give aa36918a in the order of the wire. */
function reflectedCrc32c(octets: Uint8Array): number {
  const table = Array.from({ length: 256 }, (_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
    return value >>> 0;
  });
  let crc = 0xffffffff;
  for (const octet of octets) crc = (crc >>> 8) ^ (table[(crc ^ octet) & 255] ?? 0);
  return ~crc >>> 0;
}

test("the test's own CRC-32C is that of the standard", () => {
  assert.equal(reflectedCrc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(reflectedCrc32c(Buffer.from("123456789")), 0xe3069283);
});

test("FRONT-004: version 2: other versions, commands and families, and lengths that do not fit, are faults", () => {
  for (const command of [0x11, 0x31, 0x01, 0x22, 0x2f]) assert.equal(fault(proxyV2({ command })), "unsupported");
  for (const family of [0x12, 0x22, 0x32, 0x10, 0x01, 0x41, 0xff]) {
    assert.equal(fault(proxyV2({ family, body: Buffer.alloc(216) })), "unsupported");
  }
  for (const [family, length] of [
    [0x11, 11],
    [0x21, 35],
    [0x31, 215],
  ] as const) {
    assert.equal(fault(proxyV2({ family, body: Buffer.alloc(length) })), "malformed");
  }
  for (const tail of ["\x04", "\x04\0", "\x04\0\x05abcd", "\x20\0\x04\0\0\0\0", "\x20\0\x07\x01\0\0\0\0\x21\0"]) {
    const body = Buffer.concat([ipv4Body, Buffer.from(tail, "latin1")]);
    assert.equal(fault(proxyV2({ body })), "malformed", JSON.stringify(tail));
  }
  assert.equal(fault(proxyV2({ length: proxyHeaderBytesMax - 16, body: Buffer.alloc(12) })), "incomplete");
  assert.equal(fault(proxyV2({ length: proxyHeaderBytesMax - 15 })), "too-long");
});
