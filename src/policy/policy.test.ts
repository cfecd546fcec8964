import { test } from "node:test";
import assert from "node:assert/strict";
import type { Resolution } from "../accounts/account-directory.ts";
import { parseForwardPath } from "../address/path.ts";
import type { Mailbox } from "../address/mailbox.ts";
import { settle, ManualClock } from "../testing/manual-clock.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { MemoryFiles } from "../testing/memory-files.ts";
import type { Client } from "./client.ts";
import type { Decision } from "./decision.ts";
import { FreeSpace } from "./free-space.ts";
import { checkHeaderOwnership } from "./header-ownership.ts";
import { checkHopCount } from "./hop-limit.ts";
import { networkKey } from "./network-key.ts";
import { MessageRate } from "./message-rate.ts";
import { RateLimit } from "./rate-limit.ts";
import { checkRecipientExists } from "./recipient-existence.ts";
import { checkRelay, checkRouteInLocalPart } from "./relay-permission.ts";
import { checkRecipientDomain, checkSender, checkSenderOwnership } from "./sender-permission.ts";
import { limitsSettings, relaySettings } from "./settings.ts";

const stranger: Client = { listener: "mx", address: "192.0.2.1", relayNetwork: false };
const user: Client = { listener: "submission", address: "192.0.2.1", relayNetwork: false, login: "ann@example.org" };

function path(text: string): Mailbox {
  const parsed = parseForwardPath(`<${text}>`, { smtpUtf8: true });
  assert.ok(parsed.kind === "path", text);
  return parsed.path;
}

/** `550 5.7.1 relay-denied`, or `accept …`. */
function summary(decision: Decision | undefined): string {
  if (decision === undefined) return "nothing against it";
  if (decision.verdict === "accept") return `accept ${decision.reason}`;
  return `${decision.reply.code} ${decision.reply.status} ${decision.reason}`;
}

test("SMTP-047: strangers may not relay; logins and relay.networks may, and LMTP never does", () => {
  assert.equal(summary(checkRelay(stranger)), "550 5.7.1 relay-denied");
  assert.equal(summary(checkRelay({ ...stranger, relayNetwork: true })), "accept relay-network");
  assert.equal(summary(checkRelay(user)), "accept logged-in");
  assert.equal(summary(checkRelay({ ...stranger, listener: "lmtp", relayNetwork: true })), "550 5.1.2 not-local");
});

test("SMTP-047: routes inside a local-part do not pass through us to a server that may follow them", () => {
  const any: Resolution = { kind: "local", via: "any", targets: [], setting: "domain backend.test recipients" };
  for (const text of ["u%evil.test@backend.test", "evil.test!u@backend.test", '"u@evil.test"@backend.test']) {
    assert.equal(summary(checkRouteInLocalPart(path(text), any, stranger)), "550 5.7.1 route-in-local-part", text);
    assert.equal(checkRouteInLocalPart(path(text), any, user), undefined, text);
    // Who may relay gains nothing by a route: relay networks, and posthaste dev.
    for (const own of [
      { ...stranger, relayNetwork: true },
      { ...stranger, listener: "submission" as const },
    ]) {
      assert.equal(checkRouteInLocalPart(path(text), any, own), undefined, text);
    }
    const lmtp = { ...stranger, listener: "lmtp" as const, relayNetwork: true };
    assert.equal(summary(checkRouteInLocalPart(path(text), any, lmtp)), "550 5.7.1 route-in-local-part", text);
  }
  assert.equal(checkRouteInLocalPart(path("u@backend.test"), any, stranger), undefined);
});

test("unknown recipients are refused, broken aliases defer mail", () => {
  assert.equal(summary(checkRecipientExists({ kind: "unknown", setting: "domain x" })), "550 5.1.1 unknown-recipient");
  assert.equal(
    summary(checkRecipientExists({ kind: "broken", reason: "alias-loop", setting: "alias a@x" })),
    "451 4.3.5 alias-loop",
  );
  assert.equal(
    summary(checkRecipientExists({ kind: "local", via: "user", targets: [], setting: "user a@x" })),
    "accept local-user",
  );
});

test("SUB-001 SUB-003 SUB-005: submission needs a login and qualified domains; the null reverse-path is fine", () => {
  assert.equal(
    summary(checkSender(path("a@x.test"), { ...stranger, listener: "submission" })),
    "530 5.7.0 login-needed",
  );
  assert.equal(summary(checkSender(path("bob@sales"), user)), "554 5.1.8 sender-domain-not-qualified");
  assert.equal(summary(checkSender(null, user)), "nothing against it");
  assert.equal(checkSender(path("a@[192.0.2.1]"), user), undefined);
  assert.equal(summary(checkSender(path("bob@sales"), stranger)), "nothing against it");
  assert.equal(summary(checkRecipientDomain(path("bob@sales"), user)), "554 5.1.2 recipient-domain-not-qualified");
  assert.equal(checkRecipientDomain(path("bob@squeaky.sales"), user), undefined);
  assert.equal(checkRecipientDomain(path("postmaster"), user), undefined);
  assert.equal(checkRecipientDomain(path("bob@sales"), stranger), undefined);
});

test("SUB-007: senders and authors must belong to the login", () => {
  assert.equal(summary(checkSenderOwnership("b@x", "ann@example.org", false)), "550 5.7.1 sender-not-of-login");
  assert.equal(summary(checkSenderOwnership("a@x", "ann@example.org", true)), "nothing against it");
  const from = [path("a@x.test"), path("b@x.test")];
  const check = { kind: "ok", from } as const;
  const withSender = { ...check, sender: path("s@x.test") };
  assert.equal(summary(checkHeaderOwnership(check, [true, true], "a")), "nothing against it");
  assert.equal(summary(checkHeaderOwnership(check, [true], "a")), "550 5.7.1 author-not-of-login");
  assert.equal(summary(checkHeaderOwnership(check, [false, false], "a")), "550 5.7.1 author-not-of-login");
  assert.equal(summary(checkHeaderOwnership(withSender, [true, false, true], "a")), "nothing against it");
  assert.equal(summary(checkHeaderOwnership(withSender, [true, false, false], "a")), "550 5.7.1 author-not-of-login");
  assert.equal(summary(checkHeaderOwnership(withSender, [false, false, true], "a")), "550 5.7.1 author-not-of-login");
  const bad = { kind: "bad", field: "From", reason: "An address is malformed" } as const;
  assert.equal(summary(checkHeaderOwnership(bad, [], "a")), "554 5.6.0 bad-from-field");
});

test("an author who is not the login's stands in From only beside one who is, and with a Sender who is", () => {
  const check = { kind: "ok", from: [path("ceo@x.test"), path("me@x.test")] } as const;
  for (const mayUse of [
    [false, true],
    [true, false],
  ]) {
    assert.equal(summary(checkHeaderOwnership(check, mayUse, "me")), "550 5.7.1 author-not-of-login");
    const declared = { ...check, sender: path("me@x.test") };
    assert.equal(summary(checkHeaderOwnership(declared, [...mayUse, true], "me")), "nothing against it");
    assert.equal(summary(checkHeaderOwnership(declared, [...mayUse, false], "me")), "550 5.7.1 author-not-of-login");
  }
});

test("SMTP-049: messages of one client are limited in rate, those of a login are not", () => {
  const rate = new MessageRate(2);
  assert.equal(summary(rate.check(stranger, 0)), "nothing against it");
  assert.equal(summary(rate.check(stranger, 0)), "nothing against it");
  assert.equal(summary(rate.check(stranger, 0)), "450 4.7.1 client-message-rate");
  assert.equal(summary(rate.check(user, 0)), "nothing against it");
  assert.equal(summary(rate.check(stranger, 30_000)), "nothing against it");
});

test("a client whose address cannot be read is counted like any other; this machine's own programs are not", () => {
  for (const address of ["", "127.0.0.1", "127.9.9.9", "::1"]) assert.equal(networkKey(address), undefined, address);
  for (const address of ["192.0.2.1", "2001:db8::1", "fe80::1%eth0", "unknown"]) {
    assert.notEqual(networkKey(address), undefined, address);
  }
});

test("a rate limit refills steadily, and forgets clients that are quiet", () => {
  const rate = new RateLimit(60);
  for (let count = 0; count < 60; count++) assert.equal(rate.take("a", 0), true);
  assert.equal(rate.take("a", 999), false);
  assert.equal(rate.take("a", 1999), true);
  assert.equal(rate.take("a", 0), false);
  for (let client = 0; client < 1000; client++) rate.take(`c${client}`, 100);
  for (let client = 0; client < 1000; client++) rate.take("b", 200_000 + client);
  assert.equal(rate.size, 1);
});

test("EXT-001: without space mail is put off with 452, and the disk is asked at most once a second", async () => {
  const clock = new ManualClock();
  const files = new MemoryFiles({ space: 1_000_000 });
  const log = new CollectingLog();
  const space = await FreeSpace.open({ files, clock, log, path: "/", reserve: 500_000 });
  assert.equal(summary(space.check(0)), "nothing against it");
  assert.equal(summary(space.check(300_000)), "452 4.3.1 no-space");
  files.space = 100;
  assert.equal(summary(space.check(0)), "nothing against it");
  await clock.advance(1000);
  for (let count = 0; count < 3; count++) space.check(0);
  await space.idle();
  assert.equal(summary(space.check(0)), "452 4.3.1 no-space");
  await settle();
  assert.equal(files.trace.filter((line) => line.startsWith("freeBytes")).length, 2);
  assert.deepEqual(log.of("space-short"), [{ path: "/", free: 100, reserve: 500_000 }]);
  space.reconfigure(50);
  assert.equal(summary(space.check(0)), "nothing against it");
  await space.refresh();
  await space.refresh();
  assert.equal(log.of("space-enough").length, 1, "told once");
});

test("a message that passed too many servers is refused as a loop", () => {
  assert.equal(checkHopCount({ receivedCount: 99 }, 100), undefined);
  assert.equal(summary(checkHopCount({ receivedCount: 100 }, 100)), "554 5.4.6 too-many-hops");
});

test("SMTP-036: the settings have the standard's minimum numbers and safe defaults", () => {
  const limits = limitsSettings.parse({});
  assert.equal(limits.message_size, 50_000_000);
  assert.equal(limits.recipients, 1000);
  assert.equal(limits.connections, 10_000);
  assert.ok(limits.idle_timeout >= 300_000);
  assert.equal(limitsSettings.safeParse({ recipients: 99 }).success, false);
  assert.equal(limitsSettings.safeParse({ recipient: 100 }).success, false);
  assert.equal(relaySettings.parse({}).networks.contains("127.0.0.1"), false);
  assert.equal(relaySettings.parse({ networks: ["127.0.0.0/8"] }).networks.contains("127.1.2.3"), true);
});
