/** How a route's host is written. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { parseRouteHost } from "./static-route.ts";

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
