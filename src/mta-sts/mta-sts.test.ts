import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { PolicyResponse } from "../ports/policy-fetcher.ts";
import { StaticResolver } from "../testing/static-resolver.ts";
import { fetchPolicy } from "./fetch-policy.ts";
import { decideSts } from "./host-decision.ts";
import { findPolicy, type KeptPolicy, type StsLookup } from "./policy-discovery.ts";
import { listsMx, maxAgeSecondsMax, parseStsPolicy, policyLines, type StsPolicy } from "./sts-policy.ts";
import { findStsRecord } from "./sts-record.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

function policyText(mode: string, { mx = "mx.example.com", maxAge = 604_800 } = {}): string {
  return `version: STSv1\r\nmode: ${mode}\r\nmx: ${mx}\r\nmax_age: ${maxAge}\r\n`;
}

function parsed(text: string): StsPolicy {
  const result = parseStsPolicy(Buffer.from(text));
  return result.kind === "policy" ? result.policy : assert.fail(result.reason);
}

function reasonOf(text: string | Uint8Array): string {
  const result = parseStsPolicy(typeof text === "string" ? Buffer.from(text) : text);
  return result.kind === "invalid" ? result.reason : assert.fail(`${text.toString()} is a policy`);
}

test("SEC-012: exactly one record counts, whatever else is at the name; of two ids the first", () => {
  assert.deepEqual(findStsRecord(["x", "v=STSv1; id=1", "v=STSv10; id=2"]), { kind: "record", record: { id: "1" } });
  assert.deepEqual(findStsRecord(["v=STSv1 ; id=1; id=2; x=y;"]), { kind: "record", record: { id: "1" } });
  assert.equal(findStsRecord([]).kind, "none");
  assert.equal(findStsRecord([" v=STSv1; id=1"]).kind, "none");
  const reasons = [
    ["v=STSv1; id=1", "v=STSv1; id=1"],
    [`v=STSv1; id=${"1".repeat(33)}`],
    ["v=STSv1; id=1;; x=y"],
    ["v=STSv1; id=1; x"],
    [`v=STSv1; id=1; x=${"y".repeat(1000)}`],
  ].map((texts) => {
    const result = findStsRecord(texts);
    return result.kind === "invalid" ? result.reason : result.kind;
  });
  assert.deepEqual(reasons, [
    "there are several, so senders ignore them all",
    "it needs an id of at most 32 letters and digits",
    "there is nothing between two of its semicolons",
    'the field "x" breaks the grammar',
    "it is longer than 1000 characters",
  ]);
});

test("SEC-014: a policy is read with its limits, and what is wrong has a sentence", () => {
  assert.equal(parsed(policyText("enforce", { maxAge: 9_999_999_999 })).maxAgeSeconds, maxAgeSecondsMax);
  assert.deepEqual(parsed(`${policyText("testing", { mx: "*.EXAMPLE.com" })}x-y.z: ä b\n\n`).mx, ["*.example.com"]);
  assert.deepEqual(parsed("mode: none\nversion: STSv1\nmax_age: 1\nversion: STSv2").mx, []);
  assert.equal(parsed("\ufeffversion: STSv1\nmode: none\nmax_age: 1").mode, "none");
  const start = "version: STSv1\nmode: enforce\nmax_age: 1\n";
  assert.equal(parsed(start + "mx: a.test\n".repeat(256)).mx.length, 256);
  assert.equal(reasonOf(start + "mx: a.test\n".repeat(257)), "it has more than 256 mail hosts");
  assert.equal(reasonOf(Buffer.alloc(65_537, " ")), "it has more than 65536 octets");
  assert.equal(reasonOf(Buffer.from("x: \xff", "latin1")), "it is not in UTF-8");
  assert.equal(reasonOf("mode: enforce\nmax_age: 1\nmx: a.test"), "it needs version: STSv1");
  assert.equal(reasonOf("version: STSv1"), "it has no mode");
  assert.equal(reasonOf(policyText("report")), 'its mode "report" is not known');
  assert.equal(reasonOf(policyText("Enforce")), 'its mode "Enforce" is not known');
  assert.equal(reasonOf("version: STSv1\nmode: none\nmax_age: -1"), "it needs a max_age in seconds");
  assert.equal(reasonOf(start), "it names no mail host (mx)");
  for (const bad of ["x", ": y", "mode : none", " mode: none", "x:", "x: a\rb", "x: a\0b", "x: \u0007"])
    assert.match(reasonOf(`${start}mx: a.test\n${bad}\n`), /breaks the grammar/, JSON.stringify(bad));
  for (const bad of [
    "a..test",
    ".test",
    "a.test.",
    "-a.test",
    "a-.test",
    "*",
    "*.",
    "a.*.test",
    "a b",
    `${"a".repeat(64)}.test`,
  ])
    assert.match(reasonOf(`${start}mx: ${bad}`), /is no host name$/, bad);
});

test("SEC-015: a wildcard is one label, and what was read can be written", () => {
  const policy = parsed(policyText("enforce", { mx: "*.example.net\r\nmx: mx_1.example.com" }));
  for (const host of ["a.example.net", "A.EXAMPLE.NET.", "mx_1.example.com"]) assert.ok(listsMx(policy, host), host);
  for (const host of ["example.net", "a.b.example.net", ".example.net", "*.a.example.net", ""])
    assert.ok(!listsMx(policy, host), host);
  assert.deepEqual(parsed(policyLines(policy).join("\n")), policy);
});

test("SEC-017: the modes: enforce lists or excludes, testing only tells, none says nothing (trap 26, trap 27)", () => {
  const decide = (mode: string, host: string) => decideSts("example.com", parsed(policyText(mode)), host);
  assert.deepEqual(decide("enforce", "mx.example.com"), { kind: "pki", names: ["mx.example.com"] });
  assert.deepEqual(decide("enforce", "other.test"), {
    kind: "excluded",
    reason: "the MTA-STS policy of example.com does not list other.test",
  });
  assert.deepEqual(decide("testing", "mx.example.com"), { kind: "testing", listed: true });
  assert.deepEqual(decide("testing", "other.test"), { kind: "testing", listed: false });
  assert.deepEqual(decide("none", "other.test"), { kind: "not-applicable" });
});

test("SEC-013: only a 200 of text/plain without a redirect is a policy", async () => {
  const get = async (response: PolicyResponse) => {
    const result = await fetchPolicy({ fetch: () => Promise.resolve(response) }, "example.com");
    return result.kind === "policy" ? "policy" : `${result.fault}: ${result.reason}`;
  };
  const good = {
    kind: "response",
    status: 200,
    contentType: "text/plain",
    body: Buffer.from(policyText("none")),
  } as const;
  for (const contentType of ["text/plain", "Text/Plain; charset=utf-8", "text/plain ;x=y", " text/plain"])
    assert.equal(await get({ ...good, contentType }), "policy", contentType);
  const error = "sts-policy-fetch-error: it";
  assert.equal(
    await get({ ...good, contentType: "text/html" }),
    `${error} sends the type "text/html" in place of text/plain`,
  );
  assert.equal(await get({ ...good, contentType: undefined }), `${error} sends no type in place of text/plain`);
  assert.equal(await get({ ...good, status: 302 }), `${error} answers 302, and a redirect must not be followed`);
  assert.equal(await get({ ...good, status: 204 }), `${error} answers 204 in place of 200`);
  assert.equal(await get({ ...good, body: Buffer.from("x") }), 'sts-policy-invalid: the line "x" breaks the grammar');
  const failure = { kind: "failure", detail: "it says why" } as const;
  assert.equal(await get({ ...failure, fault: "certificate" }), "sts-webpki-invalid: it says why");
  assert.equal(await get({ ...failure, fault: "dns" }), "sts-policy-fetch-error: it says why");
});

/** A domain, its policy host, and what is kept of it. */
function world() {
  const dns = new StaticResolver();
  const kept = new Map<string, { readonly value: KeptPolicy; readonly expiresAt: number }>();
  const state = {
    now: Date.UTC(2026, 0, 1),
    body: policyText("enforce"),
    isDown: false,
    diskIsFull: false,
    fetches: 0,
  };
  const publish = (id: string) =>
    dns.remove("_mta-sts.example.com").add("_mta-sts.example.com", "TXT", `v=STSv1; id=${id}`);
  const find = (): Promise<StsLookup> =>
    findPolicy("example.com", {
      resolver: dns,
      now: state.now,
      store: {
        get: (domain) => Promise.resolve(kept.get(domain)?.value),
        put: async (domain, value, expiresAt) => {
          if (state.diskIsFull) throw new Error("the disk is full");
          kept.set(domain, { value, expiresAt });
        },
      },
      fetcher: {
        fetch: () => {
          state.fetches++;
          if (state.isDown) return Promise.resolve({ kind: "failure", fault: "unreachable", detail: "no answer" });
          const body = Buffer.from(state.body);
          return Promise.resolve({ kind: "response", status: 200, contentType: "text/plain", body });
        },
      },
    });
  return { dns, kept, state, publish, find };
}

test("SEC-019: a policy is fetched once and kept; a new id, or a day, fetches it anew", async () => {
  const { state, kept, publish, find } = world();
  publish("1");
  const first = await find();
  assert.ok(first.kind === "policy" && first.id === "1" && first.policy.mode === "enforce");
  state.now += hour;
  await find();
  assert.equal(state.fetches, 1);
  publish("2");
  state.body = policyText("testing");
  const second = await find();
  assert.ok(second.kind === "policy" && second.id === "2" && second.policy.mode === "testing");
  assert.equal(state.fetches, 2);
  assert.equal(kept.get("example.com")?.expiresAt, state.now + 604_800_000);
  state.now += day - 1;
  await find();
  assert.equal(state.fetches, 2);
  state.now += 1;
  await find();
  assert.equal(state.fetches, 3);
});

test("SEC-019: what fails ends no kept policy before its time: no record, no DNS, no host", async () => {
  const { state, dns, publish, find } = world();
  publish("1");
  await find();
  const isKept = async () => (await find()).kind === "policy";
  dns.remove("_mta-sts.example.com");
  assert.ok(await isKept());
  dns.fail("_mta-sts.example.com");
  assert.ok(await isKept());
  dns.heal("_mta-sts.example.com");
  publish("2");
  state.isDown = true;
  const down = await find();
  assert.ok(down.kind === "policy" && down.id === "1" && down.trouble?.fault === "sts-policy-fetch-error");
  assert.equal(down.trouble.reason, "the policy at mta-sts.example.com cannot be used: no answer");
  state.now += 7 * day - 1;
  assert.ok(await isKept());
  state.now += 1;
  assert.ok(!(await isKept()));
});

test("SEC-018: a failed fetch is tried again after five minutes, or at once for another id", async () => {
  const { state, kept, publish, find } = world();
  state.isDown = true;
  publish("1");
  const first = await find();
  assert.ok(first.kind === "none" && first.trouble !== undefined);
  assert.equal(kept.get("example.com")?.expiresAt, state.now + 5 * minute);
  state.now += 5 * minute - 1;
  assert.deepEqual(await find(), { kind: "none", unanswered: "it could not be fetched a short time ago" });
  assert.equal(state.fetches, 1);
  publish("2");
  await find();
  assert.equal(state.fetches, 2);
  state.now += 5 * minute;
  state.isDown = false;
  assert.equal((await find()).kind, "policy");
  assert.equal(state.fetches, 3);
});

test("a policy that allows no time is fetched once in five minutes, and not for each message", async () => {
  const { state, publish, find } = world();
  state.body = policyText("enforce", { maxAge: 0 });
  publish("1");
  assert.equal((await find()).kind, "policy");
  state.now += 5 * minute - 1;
  assert.equal((await find()).kind, "policy");
  assert.equal(state.fetches, 1);
  state.now += 1;
  await find();
  assert.equal(state.fetches, 2);
});

test("a policy that cannot be kept counts all the same, and is fetched again", async () => {
  const { state, publish, find } = world();
  state.diskIsFull = true;
  publish("1");
  const first = await find();
  assert.ok(first.kind === "policy" && first.policy.mode === "enforce");
  assert.equal(first.notKept, "the disk is full");
  state.isDown = true;
  assert.deepEqual(Object.keys(await find()), ["kind", "trouble", "notKept"]);
  state.isDown = false;
  state.diskIsFull = false;
  assert.equal((await find()).notKept, undefined);
  assert.equal(state.fetches, 3);
});

test("a domain without a record is asked nothing over HTTPS, and a clock that went back delays nothing for long", async () => {
  const { state, dns, publish, find } = world();
  assert.deepEqual(await find(), { kind: "none" });
  dns.fail("_mta-sts.example.com");
  assert.deepEqual(await find(), { kind: "none", unanswered: "SERVFAIL" });
  assert.equal(state.fetches, 0);
  dns.heal("_mta-sts.example.com");
  state.isDown = true;
  publish("1");
  await find();
  state.now -= hour;
  await find();
  assert.equal(state.fetches, 2);
});

test("any octets give a result, and a policy that was read is read the same once written", () => {
  const piece = fc.constantFrom(
    "version: STSv1",
    "mode: enforce",
    "mx: a.test",
    "max_age: 9",
    "\n",
    "\r\n",
    ":",
    " ",
    "x",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 12 }), (texts) => {
      const result = parseStsPolicy(Buffer.from(texts.join("\n")));
      if (result.kind === "policy") assert.deepEqual(parsed(policyLines(result.policy).join("\r\n")), result.policy);
    }),
    { numRuns: 2000 },
  );
});
