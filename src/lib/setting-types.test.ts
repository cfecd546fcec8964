import { test } from "node:test";
import assert from "node:assert/strict";
import { z } from "zod";
import { parseIpAddress, parseIpNetwork } from "./ip-network.ts";
import { formatEndpoint } from "./endpoint.ts";
import {
  authoritiesFile,
  byteSize,
  duration,
  filePath,
  formatDuration,
  listenAddress,
  networkList,
  secret,
  settingKindOf,
} from "./setting-types.ts";

test("times are numbers with a unit, given in milliseconds", () => {
  for (const [text, ms] of [
    ["250ms", 250],
    ["90s", 90_000],
    ["5m", 300_000],
    ["4h", 14_400_000],
    ["5d", 432_000_000],
    ["1w", 604_800_000],
    ["1.5h", 5_400_000],
    ["0s", 0],
  ] as const) {
    assert.equal(duration().parse(text), ms, text);
  }
  for (const wrong of ["", "5", "5 m", "m", "-5m", "5M", "5min", "1e3s", "١s", 300]) {
    assert.equal(duration().safeParse(wrong).success, false, String(wrong));
  }
  assert.match(duration({ minMs: 60_000 }).safeParse("5s").error?.message ?? "", /shorter than 1m/);
  assert.match(duration({ maxMs: 60_000 }).safeParse("2m").error?.message ?? "", /longer than 1m/);
});

test("sizes count KB in thousands and KiB in 1,024", () => {
  for (const [text, octets] of [
    ["50MB", 50_000_000],
    ["50MiB", 52_428_800],
    ["1.5 KB", 1500],
    ["512", 512],
    ["512B", 512],
    ["2GiB", 2_147_483_648],
  ] as const) {
    assert.equal(byteSize().parse(text), octets, text);
  }
  for (const wrong of ["", "MB", "-1MB", "50mb", "50 M", "0x10", 50]) {
    assert.equal(byteSize().safeParse(wrong).success, false, String(wrong));
  }
});

test("addresses to listen on are IP addresses with a port, or unix sockets", () => {
  for (const [text, expected] of [
    ["127.0.0.1:25", { kind: "ip", address: "127.0.0.1", port: 25 }],
    ["[::]:25", { kind: "ip", address: "::", port: 25 }],
    ["0.0.0.0:0", { kind: "ip", address: "0.0.0.0", port: 0 }],
    ["unix:/run/x.sock", { kind: "unix", path: "/run/x.sock" }],
  ] as const) {
    assert.deepEqual(listenAddress().parse(text), expected);
    assert.equal(formatEndpoint(expected), text);
  }
  for (const wrong of ["", "25", ":25", "localhost:25", "::1:25", "[127.0.0.1]:25", "1.2.3.4:65536", "unix:", 25]) {
    assert.equal(listenAddress().safeParse(wrong).success, false, String(wrong));
  }
});

test("a network list knows its addresses, IPv4-mapped ones included", () => {
  const list = networkList().parse(["127.0.0.0/8", "::1", "192.0.2.128/25", "2001:db8::/33"]);
  for (const inside of ["127.1.2.3", "::1", "192.0.2.200", "::ffff:192.0.2.200", "2001:db8:7fff::1"]) {
    assert.equal(list.contains(inside), true, inside);
  }
  for (const outside of ["128.0.0.1", "::2", "192.0.2.1", "2001:db8:8000::", "", "127.1", "localhost"]) {
    assert.equal(list.contains(outside), false, outside);
  }
  for (const wrong of ["127.0.0.1/8", "1.2.3.4/33", "::/129", "example.org", "1.2.3", "01.2.3.4", "1.2.3.4/08"]) {
    assert.equal(networkList().safeParse([wrong]).success, false, wrong);
  }
});

test("IPv6 addresses are read strictly", () => {
  for (const right of ["::", "::1", "1::", "2001:db8::192.0.2.1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:1.2.3.4"]) {
    assert.equal(parseIpAddress(right)?.length, 16, right);
  }
  for (const wrong of [":", ":::", "1:2:3", "1::2::3", "1:2:3:4:5:6:7::8", "1.2.3.4::", "::1%eth0", "12345::", "1:"]) {
    assert.equal(parseIpAddress(wrong), undefined, wrong);
  }
  assert.deepEqual(parseIpNetwork("::ffff:192.0.2.0/120"), { octets: Uint8Array.of(192, 0, 2, 0), prefixLength: 24 });
});

test("a path has at least one character and no NUL, and who reads the refusal knows which", () => {
  for (const path of [filePath(), authoritiesFile()]) {
    assert.equal(path.parse("a"), "a");
    assert.match(path.safeParse("").error?.message ?? "", /the path is empty/);
    assert.match(path.safeParse(25).error?.message ?? "", /a path is text/);
  }
  assert.match(filePath().safeParse("a\0b").error?.message ?? "", /a path has no NUL/);
});

test("marks survive what folders add to a schema", () => {
  assert.equal(settingKindOf(secret().describe("a password")), "secret");
  assert.equal(settingKindOf(filePath().describe("a file")), "path");
  assert.equal(settingKindOf(authoritiesFile()), "authorities");
  assert.equal(settingKindOf(z.string()), undefined);
});

test("times are written with the largest whole unit", () => {
  assert.deepEqual([0, 1500, 90_000, 14_400_000, 604_800_000].map(formatDuration), [
    "0ms",
    "1500ms",
    "90s",
    "4h",
    "1w",
  ]);
});
