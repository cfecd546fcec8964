/** Networks that hold almost everybody, however they are written. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { coversMostAddresses } from "../lib/ip-network.ts";

test("networks that together hold half of the addresses are almost everybody", () => {
  for (const networks of [
    ["0.0.0.0/0"],
    ["::/0"],
    ["0.0.0.0/1"],
    ["10.0.0.0/8", "128.0.0.0/2", "192.0.0.0/2"],
    ["2000::/3"],
    ["2000::/4", "192.0.2.0/24"],
    ["::ffff:0.0.0.0/96"],
  ]) {
    assert.ok(coversMostAddresses(networks), networks.join(" "));
  }
  for (const networks of [
    [],
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "::1", "fc00::/7", "fe80::/10"],
    ["0.0.0.0/2"],
    // The same network many times is no more than once.
    ["0.0.0.0/2", "0.0.0.0/2", "0.0.0.0/3", "32.0.0.0/3"],
    ["2001:db8::/32", "2a00::/11"],
  ]) {
    assert.ok(!coversMostAddresses(networks), networks.join(" "));
  }
});
