import assert from "node:assert/strict";
import { test } from "node:test";
import { StaticResolver } from "../../testing/static-resolver.ts";
import { checkReverseDns } from "./reverse-dns.ts";

test("AR-004: iprev passes for a name that leads back", async () => {
  const resolver = new StaticResolver()
    .add("1.2.0.192.in-addr.arpa", "PTR", "Mail.Example.org")
    .add("mail.example.org", "A", "192.0.2.7", "192.0.2.1");
  assert.deepEqual(await checkReverseDns("192.0.2.1", { resolver }), {
    result: "pass",
    name: "mail.example.org",
    detail: "192.0.2.1 is mail.example.org, and that is 192.0.2.1",
  });
  assert.equal((await checkReverseDns("::ffff:192.0.2.1", { resolver })).result, "pass");
});

test("iprev asks for AAAA where the client has an IPv6 address", async () => {
  const resolver = new StaticResolver()
    .add("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "PTR", "six.example.org")
    .add("six.example.org", "AAAA", "2001:db8:0::1");
  assert.equal((await checkReverseDns("2001:db8::1", { resolver })).name, "six.example.org");
});

test("iprev fails where no name leads back, and is a permanent error without a name", async () => {
  const resolver = new StaticResolver()
    .add("1.2.0.192.in-addr.arpa", "PTR", "bank.example", "gone.example")
    .add("bank.example", "A", "198.51.100.1")
    .add("3.2.0.192.in-addr.arpa", "PTR");
  assert.equal((await checkReverseDns("192.0.2.1", { resolver })).result, "fail");
  assert.equal((await checkReverseDns("192.0.2.2", { resolver })).result, "permerror");
  assert.equal((await checkReverseDns("192.0.2.3", { resolver })).result, "permerror");
});

test("iprev is a temporary error where a look-up fails, unless another name leads back", async () => {
  const resolver = new StaticResolver()
    .add("1.2.0.192.in-addr.arpa", "PTR", "a.example", "b.example")
    .fail("a.example")
    .add("b.example", "A", "198.51.100.1")
    .fail("2.2.0.192.in-addr.arpa");
  assert.equal((await checkReverseDns("192.0.2.1", { resolver })).result, "temperror");
  assert.equal((await checkReverseDns("192.0.2.2", { resolver })).result, "temperror");
  resolver.add("b.example", "A", "192.0.2.1");
  assert.equal((await checkReverseDns("192.0.2.1", { resolver })).name, "b.example");
});

test("iprev asks about ten names at most, and about none that is not one", async () => {
  const names = Array.from({ length: 1000 }, (_, index) => `n${index}.example`);
  const resolver = new StaticResolver().add("1.2.0.192.in-addr.arpa", "PTR", "", "a..b", "x\r\ny", ...names);
  assert.equal((await checkReverseDns("192.0.2.1", { resolver })).result, "fail");
  assert.equal(resolver.queries.length, 11);
});
