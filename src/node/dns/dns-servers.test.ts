/** Which servers are asked. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { MemoryFiles } from "../../testing/memory-files.ts";
import { isOnThisMachine, parseDnsServer, systemDnsServers } from "./dns-servers.ts";

test("servers are addresses with or without a port", () => {
  assert.deepEqual(parseDnsServer("127.0.0.1:5353"), { address: "127.0.0.1", port: 5353 });
  assert.deepEqual(parseDnsServer("[::1]:53"), { address: "::1", port: 53 });
  assert.deepEqual(parseDnsServer("192.0.2.53"), { address: "192.0.2.53", port: 53 });
  assert.deepEqual(parseDnsServer("2001:db8::53"), { address: "2001:db8::53", port: 53 });
  for (const text of ["dns.example.org", "dns.example.org:53", "unix:/x", ""])
    assert.equal(parseDnsServer(text), undefined);
});

test("resolv.conf: nameserver lines, three at most; without any the server on this machine", async () => {
  const files = new MemoryFiles();
  const from = async (text: string) => {
    await files.makeDirectory("/etc");
    await files.replaceFile("/etc/resolv.conf", Buffer.from(text));
    return (await systemDnsServers(files)).map(({ address }) => address);
  };
  assert.deepEqual(
    await from(
      "# a\nsearch example.org\nnameserver 192.0.2.1\nnameserver\t2001:db8::1 \nnameserver fe80::1%eth0\nnameserver 192.0.2.4\n",
    ),
    ["192.0.2.1", "2001:db8::1", "fe80::1%eth0"],
  );
  assert.deepEqual(await from("nameserver nonsense\n;nameserver 192.0.2.1"), ["127.0.0.1"]);
  assert.deepEqual(await systemDnsServers(new MemoryFiles()), [{ address: "127.0.0.1", port: 53 }]);
  assert.equal(isOnThisMachine({ address: "127.0.0.53", port: 53 }), true);
  assert.equal(isOnThisMachine({ address: "192.0.2.1", port: 53 }), false);
});
