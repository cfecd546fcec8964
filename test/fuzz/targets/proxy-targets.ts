/** What a proxy says of a client before a session begins, and within it. */
import assert from "node:assert/strict";
import { parseIpAddress } from "../../../src/address/ip-address.ts";
import { proxyHeaderBytesMax, readProxyHeader } from "../../../src/smtp/proxy-header.ts";
import { parseXclient } from "../../../src/smtp/xclient.ts";
import { ipv4Body, proxyV2, tlv } from "../../../src/testing/proxy-v2.ts";
import { texts } from "../seeds.ts";
import { inPieces, type FuzzTarget } from "../target.ts";

const ssl = Buffer.concat([Buffer.from([1, 0, 0, 0, 0]), tlv(0x21, "TLSv1.3"), tlv(0x23, "AES")]);

const proxyHeader: FuzzTarget = {
  name: "proxy-header",
  family: "proxies",
  seeds: () => [
    ...texts(
      "PROXY TCP4 203.0.113.9 192.0.2.25 4000 25\r\nEHLO x\r\n",
      "PROXY TCP6 2001:db8::9 2001:db8::25 4000 25\r\n",
      "PROXY UNKNOWN ffff:f 1 2\r\n",
    ),
    proxyV2(),
    proxyV2({ command: 0x20, family: 0, body: Buffer.alloc(0) }),
    proxyV2({ family: 0x21, body: Buffer.alloc(36, 1) }),
    proxyV2({ family: 0x31, body: Buffer.alloc(216) }),
    proxyV2({
      tlvs: [
        [2, "mail.example.org"],
        [0x20, ssl],
        [3, Buffer.alloc(4)],
        [4, "pad"],
      ],
    }),
    Buffer.concat([proxyV2({ body: ipv4Body }), Buffer.from("EHLO x\r\n")]),
  ],
  words: [
    "PROXY ", "TCP4 ", "TCP6 ", "UNKNOWN", "\r\n", "\r", "\n", " ", "0", "65535", "65536", "::ffff:", "127.0.0.1", "::1",
    "\r\n\r\n\0\r\nQUIT\n", "\x21\x11\0\x0c", "\x20\0\0\0", "\x21\x21\0\x24", "\x21\x31\0\xd8", "\x03\0\x04", "\x20\0\x05\x01",
    "\x21\0\x07", "\xff\xff", "\0",
  ], // prettier-ignore
  bytesMax: 600,
  stretchMax: 64 * 1024,
  run(input) {
    const whole = readProxyHeader(input);
    let come = 0;
    let cut = readProxyHeader(input.subarray(0, 0));
    for (const piece of inPieces(input)) {
      if (cut.kind !== "incomplete") break;
      come += piece.length;
      cut = readProxyHeader(input.subarray(0, come));
    }
    // However it is cut, the same header is read, and what follows it stays.
    assert.deepEqual(cut, whole);
    if (whole.kind === "incomplete") assert.ok(input.length < proxyHeaderBytesMax);
    if (whole.kind !== "header") return;
    assert.ok(whole.length <= Math.min(input.length, proxyHeaderBytesMax));
    assert.deepEqual(readProxyHeader(input.subarray(0, whole.length)), whole);
    assert.equal(readProxyHeader(input.subarray(0, whole.length - 1)).kind, "incomplete");
    const { header } = whole;
    if (header.kind !== "proxied") return;
    for (const { address, port } of [header.client, header.server]) {
      assert.equal(parseIpAddress(address)?.text, address);
      assert.ok(Number.isInteger(port) && port >= 0 && port <= 65_535);
    }
    assert.match(`${header.serverName ?? ""}${header.tls?.protocol ?? ""}${header.tls?.cipher ?? ""}`, /^\P{Cc}*$/u);
  },
};

const xclient: FuzzTarget = {
  name: "xclient",
  family: "proxies",
  seeds: () =>
    texts(
      "ADDR=192.0.2.9 NAME=mail.example.org PORT=4000 PROTO=ESMTP HELO=mail LOGIN=ann+40example.org",
      "addr=IPV6:2001:db8::9 destaddr=ipv6:2001:db8::25 destport=25",
      "ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL] DESTADDR=[UNAVAILABLE]",
      "ADDR=+5BUNAVAILABLE+5D",
    ),
  words: [
    "ADDR=", "NAME=", "PORT=", "PROTO=", "HELO=", "LOGIN=", "DESTADDR=", "DESTPORT=", " ", "=", "+", "+0A", "+00", "+5B",
    "[UNAVAILABLE]", "[TEMPUNAVAIL]", "IPV6:", "::ffff:", "127.0.0.1", "::1", "%eth0", "65535", "65536", "ESMTP", "\r\n", "\0",
  ], // prettier-ignore
  bytesMax: 600,
  stretchMax: 64 * 1024,
  run(input) {
    const argument = Buffer.from(input).toString("latin1");
    const found = parseXclient(argument);
    if ("code" in found) return assert.equal(found.code, 501);
    // Whoever is named is an address in normal form, or nobody; what is unknown or missing never stands for the proxy.
    assert.match(argument, /(?:^| )addr=/i);
    for (const address of [found.client, found.server]) {
      if (typeof address === "string") assert.equal(parseIpAddress(address)?.text, address);
    }
  },
};

export const proxyTargets: readonly FuzzTarget[] = [proxyHeader, xclient];
