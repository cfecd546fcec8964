/** How a route's host is written. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { parseRouteHost, RouteTable } from "./static-route.ts";

test("hosts of routes: names, addresses, ports, unix sockets", () => {
  for (const [text, expected] of [
    ["relay.test", { kind: "name", name: "relay.test", port: 25 }],
    ["Relay.Test:2525", { kind: "name", name: "relay.test", port: 2525 }],
    ["192.0.2.1", { kind: "address", address: "192.0.2.1", port: 25 }],
    ["192.0.2.1:26", { kind: "address", address: "192.0.2.1", port: 26 }],
    ["2001:DB8::1", { kind: "address", address: "2001:db8::1", port: 25 }],
    ["[2001:db8::1]", { kind: "address", address: "2001:db8::1", port: 25 }],
    ["[2001:db8::1]:465", { kind: "address", address: "2001:db8::1", port: 465 }],
    ["unix:/run/lmtp", { kind: "unix", path: "/run/lmtp" }],
    ["relay.test:0", undefined],
    ["relay.test:65536", undefined],
    ["relay.test:", undefined],
    ["[relay.test]:25", undefined],
    ["unix:", undefined],
    ["a b", undefined],
    ["", undefined],
  ] as const) {
    assert.deepEqual(parseRouteHost(text, 25), expected, text);
  }
});

test("a route for one address holds for its tags, and for no other address", () => {
  const table = new RouteTable([
    { domain: "bob+lists@ours.test", via: "discard" },
    { domain: "bob@ours.test", via: "lmtp", host: "unix:/run/lmtp" },
  ]);
  const found = (address: string) => table.find({ address, domain: "ours.test" })?.via;
  for (const address of ["bob@ours.test", "BOB@ours.test", "bob+shop@ours.test", "Bob+a+b@ours.test"]) {
    assert.equal(found(address), "lmtp", address);
  }
  assert.equal(found("bob+lists@ours.test"), "discard", "an address with its tag may have a route of its own");
  for (const address of ["bobby@ours.test", "+bob@ours.test", "ann+bob@ours.test"]) {
    assert.equal(found(address), undefined, address);
  }
});
