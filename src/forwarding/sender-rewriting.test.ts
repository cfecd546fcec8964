/** Which reverse-paths are rewritten, and that what is too long to be carried is kept. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatMailbox, parseMailbox } from "../address/mailbox-text.ts";
import { MemorySpool, MemoryStore } from "../testing/spool/memory-spool.ts";
import type { RecordChange } from "../spool/spool.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { SenderRewriting } from "./sender-rewriting.ts";
import { forwardingSettings, type ForwardingOptions } from "./settings.ts";

const day = 86_400_000;
const long = `bounce-${"0123456789".repeat(4)}@mailer.origin.test`;

class Fixture {
  readonly clock = new ManualClock();
  readonly spool = new MemorySpool({ clock: this.clock, store: new MemoryStore() });
  readonly written: RecordChange[] = [];
  readonly rewriting: SenderRewriting;

  constructor(settings: Parameters<typeof forwardingSettings.parse>[0] = {}) {
    const key = Buffer.from("key");
    const parts = {
      clock: this.clock,
      keys: { signing: key, all: [key] },
      spool: {
        getRecord: this.spool.getRecord.bind(this.spool),
        changeRecords: async (changes: readonly RecordChange[]) => {
          this.written.push(...changes);
          await this.spool.changeRecords(changes);
        },
      },
    };
    this.rewriting = new SenderRewriting(parts, options(settings));
  }

  async back(address: string): Promise<string | undefined> {
    const reversed = await this.rewriting.reverse(parseMailbox(address) ?? assert.fail(address));
    return reversed?.kind === "address" ? formatMailbox(reversed.mailbox) : reversed?.kind;
  }
}

function options(settings: Parameters<typeof forwardingSettings.parse>[0] = {}): ForwardingOptions {
  const own = new Set(["mail.example.org", "example.org"]);
  return {
    ...forwardingSettings.parse(settings),
    hostname: "mail.example.org",
    authservId: "mail.example.org",
    isOwnDomain: (key) => own.has(key),
  };
}

test("LIST-002: the null reverse-path stays null", async () => {
  assert.equal(await new Fixture().rewriting.rewrite(""), "");
});

test("reverse-paths of our own domains stay, all others become addresses of ours and come back", async () => {
  const fixture = new Fixture();
  const { rewriting } = fixture;
  for (const own of ["ann@example.org", "ann@EXAMPLE.ORG", "SRS0=x@mail.example.org"]) {
    assert.equal(await rewriting.rewrite(own), own);
  }
  const rewritten = await rewriting.rewrite("joe@origin.test");
  assert.match(rewritten, /^SRS0=.*=origin\.test=joe@mail\.example\.org$/);
  assert.equal(await rewriting.rewrite(rewritten), rewritten, "a second round changes nothing");
  assert.equal(await fixture.back(rewritten), "joe@origin.test");
  assert.match(await rewriting.rewrite(rewritten.replace("mail.example.org", "other.test")), /^SRS1=/);
});

test("addresses that we made come back under a former domain or hostname, and under no other name does a forgery", async () => {
  const fixture = new Fixture({ domain: "Fwd.bücher.example" });
  const rewritten = await fixture.rewriting.rewrite("joe@origin.test");
  assert.match(rewritten, /@fwd\.xn--bcher-kva\.example$/);
  assert.equal(await fixture.back(rewritten), "joe@origin.test");
  assert.equal(await fixture.back(rewritten.replace(/@.*/, "@former.example.org")), "joe@origin.test");
  fixture.rewriting.reconfigure(options());
  assert.equal(await fixture.back(rewritten), "joe@origin.test", "the domain was changed");
  const forged = rewritten.replace(/^SRS0=.{8}/, "SRS0=AAAAAAAA");
  assert.equal(await fixture.back(forged.replace(/@.*/, "@mail.example.org")), "forged");
  assert.equal(await fixture.back(forged), undefined, "an ordinary address of somebody else's");
  await fixture.clock.advance(23 * day);
  assert.equal(await fixture.back(rewritten), "expired");
  assert.equal(await fixture.back("postmaster@fwd.bücher.example"), undefined);
});

test("rewriting can be turned off; what was rewritten before still comes back", async () => {
  const fixture = new Fixture();
  const rewritten = await fixture.rewriting.rewrite("joe@origin.test");
  fixture.rewriting.reconfigure(options({ rewrite_sender: false }));
  assert.equal(await fixture.rewriting.rewrite("joe@origin.test"), "joe@origin.test");
  assert.equal(await fixture.back(rewritten), "joe@origin.test");
});

test("a reverse-path that is too long to be carried is kept, written once a day, and known for as long as it is valid", async () => {
  const fixture = new Fixture();
  const rewritten = await fixture.rewriting.rewrite(long);
  assert.match(rewritten, /^SRS0=\w{8}=\w\w=_=[A-Z2-7]{16}@mail\.example\.org$/);
  assert.equal(fixture.written.length, 1);
  assert.equal(await fixture.rewriting.rewrite(long), rewritten);
  assert.equal(fixture.written.length, 1);
  await fixture.clock.advance(day - 1);
  assert.equal(await fixture.rewriting.rewrite(long), rewritten);
  assert.equal(fixture.written.length, 1, "not yet again");
  await fixture.clock.advance(21 * day);
  assert.equal(await fixture.back(rewritten.toLowerCase()), long);
  await fixture.clock.advance(day);
  assert.equal(await fixture.back(rewritten), "expired");
  await fixture.rewriting.rewrite(long);
  assert.equal(fixture.written.length, 2);
});

test("a kept reverse-path whose record is gone has expired", async () => {
  const fixture = new Fixture();
  const rewritten = await fixture.rewriting.rewrite(long);
  await fixture.spool.changeRecords([{ kind: "clear", namespace: "srs-kept" }]);
  assert.equal(await fixture.back(rewritten), "expired");
});

test("the longest names, quoted and international ones fit a path of 256 octets at the longest domain", async () => {
  const domain = `${"d".repeat(60)}.${"e".repeat(60)}.${"f".repeat(60)}.test`;
  const fixture = new Fixture({ domain });
  const local = [`"${"\\\\".repeat(31)}"`, "ü".repeat(32), "x".repeat(64), '"a b"', "jürgen"];
  for (const original of local.map((name) => `${name}@origin.test`)) {
    const rewritten = await fixture.rewriting.rewrite(original);
    assert.ok(Buffer.byteLength(rewritten) <= 254, rewritten);
    assert.ok(Buffer.byteLength(rewritten.slice(0, rewritten.lastIndexOf("@"))) <= 64, rewritten);
    assert.equal(await fixture.back(rewritten), original);
  }
});

test("a forwarding domain that leaves no room for a local-part is refused", () => {
  const label = "d".repeat(63);
  assert.equal(forwardingSettings.safeParse({ domain: `${label}.${label}.${label}` }).success, false);
  assert.equal(forwardingSettings.safeParse({ domain: "[192.0.2.1]" }).success, false);
  assert.equal(forwardingSettings.safeParse({ secret: "too short" }).success, false);
  assert.equal(forwardingSettings.safeParse({ secret: [] }).success, false);
});
