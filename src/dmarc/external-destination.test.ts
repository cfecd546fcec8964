import assert from "node:assert/strict";
import { test } from "node:test";
import { StaticResolver } from "../testing/static-resolver.ts";
import { checkExternalDestination, destinationHostOf } from "./external-destination.ts";

const ask = "blue.example.com._report._dmarc.red.example.net";

async function check(resolver: StaticResolver, uri: string, policyDomain = "blue.example.com") {
  return await checkExternalDestination(resolver, policyDomain, uri);
}

test("an address within the organisation needs no consent", async () => {
  const resolver = new StaticResolver().add("_dmarc.example.com", "TXT", "v=DMARC1; p=none");
  for (const uri of ["mailto:r@blue.example.com", "mailto:r@example.com", "mailto:r@reports.EXAMPLE.com?x=y"]) {
    assert.deepEqual(await check(resolver, uri), { kind: "agreed", external: false, uris: [uri] });
  }
  assert.ok(resolver.queries.every((query) => !query.includes("_report")));
});

test("another organisation must publish its consent", async () => {
  const uri = "mailto:reports@red.example.net";
  assert.equal((await check(new StaticResolver(), uri)).kind, "refused");
  for (const text of ["v=spf1 -all", "v=dmarc1", "DMARC1"]) {
    assert.equal((await check(new StaticResolver().add(ask, "TXT", text), uri)).kind, "refused", text);
  }
  for (const text of ["v=DMARC1", "v=DMARC1;", "v=DMARC1; rua=nonsense"]) {
    const agreed = await check(new StaticResolver().add(ask, "TXT", "noise", text), uri);
    assert.deepEqual(agreed, { kind: "agreed", external: true, uris: [uri] }, text);
  }
  assert.equal((await check(new StaticResolver().fail(ask), uri)).kind, "failure");
});

test("two that share only a suffix are strangers", async () => {
  const resolver = new StaticResolver();
  assert.equal((await check(resolver, "mailto:r@victim.com", "evil.com")).kind, "refused");
  assert.ok(resolver.queries.includes("TXT evil.com._report._dmarc.victim.com"));
});

test("a consent may name another address of the same host, and of no other", async () => {
  const uri = "mailto:reports@red.example.net";
  const same = new StaticResolver().add(ask, "TXT", "v=DMARC1; rua=mailto:other@red.example.net");
  assert.deepEqual(await check(same, uri), {
    kind: "agreed",
    external: true,
    uris: ["mailto:other@red.example.net"],
  });
  const other = new StaticResolver().add(ask, "TXT", "v=DMARC1; rua=mailto:x@victim.example");
  assert.equal((await check(other, uri)).kind, "refused");
});

test("a name too long to ask, or no name, gets nothing", async () => {
  const long = Array.from({ length: 4 }, () => "x".repeat(58)).join(".");
  assert.equal((await check(new StaticResolver(), "mailto:r@red.example.net", long)).kind, "refused");
  assert.equal((await check(new StaticResolver(), "mailto:nobody")).kind, "refused");
});

test("the host of an address is read as it will be written to", () => {
  const hosts: readonly (readonly [string, string | undefined])[] = [
    ["mailto:a@X.example", "x.example"],
    ["mailto:a%40b@x.example", undefined],
    ["mailto:v@victim.example%2Ca@x.example", undefined],
    ["mailto:a@x.example?to=v@victim.example", "x.example"],
    ["MAILTO:a@b%C3%BCcher.example", "xn--bcher-kva.example"],
    ["mailto:a@%zz", undefined],
    ["mailto:a@[192.0.2.1]", undefined],
    ["https://u:p@X.example:8443/path@y.example", "x.example"],
    ["urn:x", undefined],
  ];
  for (const [uri, host] of hosts) assert.equal(destinationHostOf(uri), host, uri);
});
