import { test } from "node:test";
import assert from "node:assert/strict";
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import type { HopHost, NextHop } from "../route/next-hop.ts";
import type { DeliveryJob } from "../queue/delivery-agent.ts";
import type { Content, StoredMessage, StoredRecipient } from "../spool/spool.ts";
import { standardTimeouts } from "../smtp/client/timeouts.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { ManualClock, settle } from "../testing/manual-clock.ts";
import { MemoryNetwork } from "../testing/memory-network.ts";
import { close, type PeerCommand, ScriptedPeer, stall, type PeerScript } from "../testing/scripted-peer.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import type { SmtpDeliverySettings } from "./settings.ts";
import { SmtpDelivery } from "./smtp-delivery.ts";

type SmtpHop = Extract<NextHop, { kind: "smtp" }>;
type LmtpHop = Extract<NextHop, { kind: "lmtp" }>;

const header = "Received: from x by our.test\r\n";
const body = "Subject: hello\r\n\r\n.dot\r\nend\r\n";
const modernExtensions = [
  "PIPELINING",
  "SIZE 10000000",
  "8BITMIME",
  "SMTPUTF8",
  "DSN",
  "CHUNKING",
  "ENHANCEDSTATUSCODES",
];
const classicExtensions = ["PIPELINING", "SIZE 10000000", "8BITMIME", "DSN"];

/** Hosts 192.0.2.1, 192.0.2.2, … on port 25, named mx1, mx2, …; and the agent under test. */
class World implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork();
  readonly log = new CollectingLog();
  readonly agent: SmtpDelivery;
  readonly stop = new AbortController();
  readonly peers: ScriptedPeer[] = [];
  opened = 0;
  disposed = 0;

  constructor(settings: Partial<SmtpDeliverySettings> = {}) {
    this.agent = new SmtpDelivery({
      network: this.network,
      clock: this.clock,
      random: new SeededRandom(1),
      log: this.log,
      settings: {
        heloName: "our.test",
        bindAddresses: [],
        keepIdleMs: 3_000,
        messagesPerConnection: 100,
        addressesPerAttempt: 10,
        connectTimeoutMs: 30_000,
        tlsTimeoutMs: 30_000,
        timeouts: standardTimeouts,
        refusalPatienceMs: 4 * 3_600_000,
        ...settings,
      },
    });
  }

  async peer(address: string, script: PeerScript = {}): Promise<ScriptedPeer> {
    const peer = await ScriptedPeer.listen(this.network, { kind: "ip", address, port: 25 }, script);
    this.peers.push(peer);
    return peer;
  }

  job(parts: {
    to?: readonly (string | Partial<StoredRecipient>)[];
    hop?: Partial<SmtpHop> | LmtpHop;
    message?: Partial<StoredMessage>;
    content?: string | Buffer;
    /** Streamed in pieces of so many octets instead of being whole. */
    pieces?: number;
  }): DeliveryJob {
    const content = Buffer.from(parts.content ?? body);
    const recipients = (parts.to ?? ["ann@example.org"]).map((to, index): StoredRecipient => {
      const given = typeof to === "string" ? { address: to } : to;
      const address = given.address ?? "ann@example.org";
      const domain = address.slice(address.lastIndexOf("@") + 1);
      return {
        message: "4QJ7ZC2M9KXD",
        index,
        state: "claimed",
        due: 0,
        attempts: 1,
        warned: false,
        domain,
        ...given,
        address,
      };
    });
    const { clock } = this;
    const open = async (): Promise<Content> => {
      this.opened++;
      return {
        size: content.length,
        ...(parts.pieces === undefined && { whole: content }),
        async *chunks() {
          const step = parts.pieces ?? content.length;
          for (let at = 0; at < content.length; at += step) yield content.subarray(at, at + step);
        },
        [Symbol.asyncDispose]: async () => {
          this.disposed++;
        },
      };
    };
    return {
      message: {
        id: "4QJ7ZC2M9KXD",
        receivedAt: clock.now(),
        reversePath: "bob@our.test",
        origin: { listener: "local", protocol: "LOCAL" },
        body: "7BIT",
        smtpUtf8: false,
        size: content.length,
        headerBlock: header,
        facts: {
          receivedCount: 0,
          ownReceived: false,
          autoSubmitted: false,
          deliveredTo: [],
          utf8Header: false,
          eightBit: false,
          binary: false,
        },
        ...parts.message,
      },
      recipients,
      hop: parts.hop?.kind === "lmtp" ? parts.hop : { ...smtpHop(1), ...parts.hop },
      openContent: open,
    };
  }

  /** Outcomes in the order of the recipients. */
  async deliver(job: DeliveryJob): Promise<DeliveryOutcome[]> {
    const { outcomes } = await this.agent.deliver(job, { signal: this.stop.signal });
    assert.equal(outcomes.length, job.recipients.length);
    assert.deepEqual(
      outcomes.map(({ index }) => index).toSorted((a, b) => a - b),
      job.recipients.map(({ index }) => index),
    );
    assert.equal(this.opened, this.disposed, "every content is disposed of");
    return outcomes.toSorted((a, b) => a.index - b.index).map(({ outcome }) => outcome);
  }

  /** Delivers while time goes on, as long as something waits for a timer. */
  async deliverWithTime(job: DeliveryJob): Promise<DeliveryOutcome[]> {
    let done = false;
    const delivery = this.deliver(job).finally(() => {
      done = true;
    });
    await settle();
    for (let turns = 0; !done && turns < 100; turns++) {
      await this.clock.advance(Math.max(0, (this.clock.nextTimerAt ?? this.clock.now()) - this.clock.now()));
    }
    return await delivery;
  }

  eventsNamed(name: string): readonly unknown[] {
    return this.log.events.filter((event) => event.name === name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closing = this.agent.close();
    await settle();
    await this.clock.advance(10_000);
    await closing;
    for (const peer of this.peers) await peer[Symbol.asyncDispose]();
    await settle();
    assert.equal(this.clock.pendingTimers, 0, "no timer is left behind");
  }
}

function hosts(count: number): HopHost[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `mx${index + 1}.example.org`,
    addresses: [`192.0.2.${index + 1}`],
  }));
}

function smtpHop(count: number): SmtpHop {
  return {
    kind: "smtp",
    site: "example.org",
    hosts: hosts(count),
    port: 25,
    tls: "opportunistic",
    implicitTls: false,
    description: "mx example.org",
  };
}

function brief(outcome: DeliveryOutcome): string {
  return `${outcome.kind} ${outcome.status}`;
}

test("a message is relayed byte for byte, header block first, over DATA and over BDAT", async () => {
  for (const keywords of [[], classicExtensions, modernExtensions]) {
    for (const pieces of [undefined, 7]) {
      await using world = new World();
      const peer = await world.peer("192.0.2.1", { keywords });
      const [outcome] = await world.deliver(world.job({ ...(pieces && { pieces }) }));
      assert.ok(outcome?.kind === "relayed");
      assert.equal(outcome.status, "2.0.0");
      assert.equal(outcome.dsnPassedOn, keywords.includes("DSN"));
      assert.deepEqual(outcome.diagnostic, {
        type: "smtp",
        text: "250 2.0.0 Ok: queued as TEST",
        code: 250,
        command: "end of data",
        remoteHost: "mx1.example.org",
        remoteAddress: "192.0.2.1",
      });
      assert.equal(peer.messages.length, 1);
      assert.equal(peer.messages[0]?.content.toString(), header + body);
      assert.equal(peer.messages[0]?.via, keywords === modernExtensions ? "BDAT" : "DATA");
    }
  }
});

test("SMTPC-018: with CHUNKING a kept connection carries a message in one flight", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", { keywords: modernExtensions });
  await world.deliver(world.job({}));
  const before = peer.flights;
  assert.equal(brief((await world.deliver(world.job({})))[0] as DeliveryOutcome), "relayed 2.0.0");
  assert.equal(peer.flights, before + 1);
  assert.equal(peer.sessions, 1);
});

test("SMTPC-006: addresses are tried in order, both families, in one attempt", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.9");
  const hop = { hosts: [{ name: "mx.example.org", addresses: ["2001:db8::9", "192.0.2.9"] }] };
  const [outcome] = await world.deliver(world.job({ hop }));
  assert.equal(outcome?.kind, "relayed");
  assert.equal(peer.messages.length, 1);
  assert.equal(world.eventsNamed("connection-failed").length, 1);
});

test("nobody reachable: deferred 4.4.1, and the number of addresses is bounded", async () => {
  await using world = new World({ addressesPerAttempt: 3 });
  const [outcome] = await world.deliver(world.job({ hop: { hosts: hosts(8) } }));
  assert.ok(outcome?.kind === "deferred");
  assert.equal(outcome.status, "4.4.1");
  assert.equal(outcome.owner, "remote-trouble");
  assert.match(outcome.reason, /could not connect to mx3\.example\.org \[192\.0\.2\.3\]: .*ECONNREFUSED/);
  assert.equal(world.eventsNamed("connection-failed").length, 3);
  const [none] = await world.deliver(world.job({ hop: { hosts: [] } }));
  assert.ok(none?.kind === "deferred" && none.status === "4.4.1");
});

test("a first MX that never answers does not use up the time of the second", async () => {
  await using world = new World();
  await world.peer("192.0.2.2");
  world.network.fail({ kind: "ip", address: "192.0.2.1", port: 25 }, "stall");
  const start = world.clock.now();
  const [outcome] = await world.deliverWithTime(world.job({ hop: { hosts: hosts(2) } }));
  assert.equal(outcome?.kind, "relayed");
  assert.ok(world.clock.now() - start <= 60_000);
});

test("SMTPC-008: 521 and 554 greetings lead to the next MX and are told QUIT; 521 bounces when all say so", async () => {
  await using world = new World();
  const first = await world.peer("192.0.2.1", { greeting: "521 mx1 takes no mail" });
  const second = await world.peer("192.0.2.2");
  assert.equal((await world.deliver(world.job({ hop: { hosts: hosts(2) } })))[0]?.kind, "relayed");
  assert.deepEqual(first.lines, ["QUIT"]);
  await world.clock.advance(5_000);
  second.script = { greeting: "521 mx2 takes no mail" };
  const [outcome] = await world.deliver(world.job({ hop: { hosts: hosts(2) } }));
  assert.ok(outcome?.kind === "bounced");
  const [only] = await world.deliver(world.job({ hop: { hosts: hosts(1) } }));
  assert.ok(only?.kind === "bounced" && only.status === "5.3.2");
  // One that may recover keeps the mail waiting.
  const [mixed] = await world.deliver(world.job({ hop: { hosts: hosts(3) } }));
  assert.ok(mixed?.kind === "deferred" && mixed.status === "4.4.1");
});

test("554 of every MX at greeting or EHLO puts mail off until a warning would be due, then bounces it", async () => {
  const listed = "554 5.7.1 192.0.2.9 is listed, see https://bl.test/192.0.2.9";
  const scripts: readonly PeerScript[] = [
    { greeting: listed },
    { answer: ({ verb }) => (verb === "EHLO" || verb === "HELO" ? listed : undefined) },
  ];
  for (const script of scripts) {
    await using world = new World({ refusalPatienceMs: 3_600_000 });
    await world.peer("192.0.2.1", script);
    await world.peer("192.0.2.2", script);
    const job = world.job({ hop: { hosts: hosts(2) } });
    const [young] = await world.deliver(job);
    assert.ok(young?.kind === "deferred" && young.status === "4.7.1" && young.owner === "our-reputation");
    assert.match(young.reason, /is listed, see https:\/\/bl\.test.*so delivery will be retried$/);
    assert.equal(young.diagnostic?.text, listed);
    world.clock.jump(7_200_000);
    const [misled] = await world.deliver(job);
    assert.equal(misled?.kind, "deferred", "a clock that was just set forward is not believed");
    world.clock.jump(-7_200_000);
    await world.clock.advance(3_600_000);
    const [old] = await world.deliver(job);
    assert.ok(old?.kind === "bounced" && old.status === "5.7.1" && old.diagnostic?.text === listed);
  }
});

test("a refusal at MAIL is about the message and bounces at once", async () => {
  await using world = new World();
  await world.peer("192.0.2.1", { answer: ({ verb }) => (verb === "MAIL" ? "554 5.7.1 no" : undefined) });
  const [outcome] = await world.deliver(world.job({}));
  assert.equal(outcome && brief(outcome), "bounced 5.7.1");
});

test("a server that hangs up on EHLO gets the mail by HELO, from the second attempt on", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", { answer: ({ verb }) => (verb === "EHLO" ? close : undefined) });
  assert.deepEqual((await world.deliver(world.job({}))).map(brief), ["deferred 4.4.2"]);
  const again = { to: [{ address: "ann@example.org", attempts: 2 }] };
  assert.deepEqual((await world.deliver(world.job(again))).map(brief), ["relayed 2.0.0"]);
  assert.deepEqual(peer.verbs.slice(0, 4), ["EHLO", "EHLO", "HELO", "MAIL"]);
  // What it lacks by HELO it may have by EHLO: never a reason to give up.
  const job = world.job({
    to: [{ address: "ann@example.org", attempts: 3 }],
    message: { reversePath: "бob@our.test" },
  });
  await world.clock.advance(5_000);
  assert.deepEqual((await world.deliver(job)).map(brief), ["deferred 4.6.7"]);
});

test("SMTPC-008: 556 to RCPT is permanent", async () => {
  await using world = new World();
  await world.peer("192.0.2.1", { answer: ({ verb }) => (verb === "RCPT" ? "556 takes no mail" : undefined) });
  const [outcome] = await world.deliver(world.job({}));
  assert.ok(outcome?.kind === "bounced");
  assert.equal(outcome.status, "5.1.10");
  assert.equal(outcome.owner, "recipient");
});

test("a relay host that asks for a login which its route lacks defers all, and the log says so once", async () => {
  const asks = "530 5.7.0 Authentication required";
  const to = ["ann@example.org", "bob@example.org"];
  const cases = [
    { verb: "MAIL", reply: asks, isRelay: true, kind: "deferred", status: "4.7.0", told: 1 },
    { verb: "RCPT", reply: asks, isRelay: true, kind: "deferred", status: "4.7.0", told: 1 },
    { verb: "MAIL", reply: asks, isRelay: false, kind: "bounced", status: "5.7.0", told: 0 },
    { verb: "MAIL", reply: "530 5.7.0 Issue STARTTLS first", isRelay: true, kind: "bounced", status: "5.7.0", told: 0 },
  ];
  for (const { verb, reply, isRelay, kind, status, told } of cases) {
    await using world = new World();
    await world.peer("192.0.2.1", { answer: (command) => (command.verb === verb ? reply : undefined) });
    const hop = isRelay ? { isRelay } : {};
    assert.deepEqual(
      (await world.deliver(world.job({ to, hop }))).map(brief),
      to.map(() => `${kind} ${status}`),
    );
    const lines = world.log.of("relay-login-missing");
    assert.equal(lines.length, told, `${verb} ${reply}`);
    if (told > 0) assert.equal(lines[0]?.["reason"], `mx1.example.org replied to ${verb}: ${reply}`);
  }
});

test("SMTPC-009: replies are judged by their first digit", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1");
  for (const [answer, expected] of [
    ["299 odd", "relayed 2.0.0"],
    ["250", "relayed 2.0.0"],
    ["599 odd", "bounced 5.0.0"],
    ["499", "deferred 4.0.0"],
    ["450 5.1.1 contradicts itself", "deferred 4.0.0"],
    ["550 5.99.123 unknown detail", "bounced 5.99.123"],
  ] as const) {
    peer.script = { answer: ({ verb }) => (verb === "." ? answer : undefined) };
    const [outcome] = await world.deliver(world.job({}));
    assert.equal(outcome && brief(outcome), expected, answer);
  }
});

test("ESC-007 ESC-008: statuses of RCPT replies, kept, ignored or defaulted", async () => {
  await using world = new World();
  const replies = ["550 5.99.123 x", "450 5.1.1 x", "550 no such user here", "550 5.1.10 null MX", "421 4.7.0 go"];
  await world.peer("192.0.2.1", {
    answer: ({ verb, recipients }) => (verb === "RCPT" ? replies[recipients - 1] : undefined),
  });
  const outcomes = await world.deliver(world.job({ to: replies.map((_, index) => `u${index}@example.org`) }));
  assert.deepEqual(outcomes.map(brief), [
    "bounced 5.99.123",
    "deferred 4.0.0",
    "bounced 5.0.0",
    "bounced 5.1.10",
    "deferred 4.7.0",
  ]);
});

test("SMTPC-012: a connection lost after the final dot is deferred, and the reason warns of a duplicate", async () => {
  for (const keywords of [classicExtensions, modernExtensions]) {
    await using world = new World();
    const peer = await world.peer("192.0.2.1", {
      keywords,
      answer: ({ verb }) => (verb === "." ? close : undefined),
    });
    const second = await world.peer("192.0.2.2");
    const [outcome] = await world.deliver(world.job({ hop: { hosts: hosts(2) } }));
    assert.ok(outcome?.kind === "deferred");
    assert.equal(outcome.status, "4.4.2");
    assert.match(outcome.reason, /duplicate/);
    assert.equal(peer.messages.length, 1);
    assert.equal(second.messages.length, 0, "it is not sent to another host in the same attempt");
  }
});

test("a connection lost before the content goes on at the next host; with none left it is deferred 4.4.2", async () => {
  await using world = new World();
  await world.peer("192.0.2.1", { answer: ({ verb }) => (verb === "MAIL" ? close : undefined) });
  const second = await world.peer("192.0.2.2");
  assert.equal((await world.deliver(world.job({ hop: { hosts: hosts(2) } })))[0]?.kind, "relayed");
  assert.equal(second.messages.length, 1);
  await world.clock.advance(5_000);
  const [outcome] = await world.deliver(world.job({ hop: { hosts: hosts(1) } }));
  assert.ok(outcome?.kind === "deferred" && outcome.status === "4.4.2");
});

test("SMTPC-013: a peer that stalls at any stage is left by the time-out of that stage", async () => {
  const stages: readonly [string, PeerScript, number][] = [
    ["greeting", { greeting: stall }, 5],
    ["EHLO", { answer: ({ verb }) => (verb === "EHLO" ? stall : undefined) }, 5],
    ["MAIL", { answer: ({ verb }) => (verb === "MAIL" ? stall : undefined) }, 5],
    ["RCPT", { answer: ({ verb }) => (verb === "RCPT" ? stall : undefined) }, 5],
    ["DATA", { answer: ({ verb }) => (verb === "DATA" ? stall : undefined) }, 2],
    ["end of data", { answer: ({ verb }) => (verb === "." ? stall : undefined) }, 10],
  ];
  for (const [stage, script, minutes] of stages) {
    await using world = new World();
    await world.peer("192.0.2.1", script);
    const start = world.clock.now();
    const [outcome] = await world.deliverWithTime(world.job({}));
    assert.ok(outcome?.kind === "deferred", stage);
    assert.equal(outcome.status, "4.4.2", stage);
    assert.match(outcome.reason, new RegExp(`no answer to ${stage} in time`));
    assert.equal(world.clock.now() - start, minutes * 60_000, stage);
  }
});

test("SMTPC-015: 5yz to MAIL bounces that message only; the next one is tried", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", {
    keywords: classicExtensions,
    answer: ({ verb, line }) => (verb === "MAIL" && line.includes("evil@") ? "550 5.7.1 not you" : undefined),
  });
  const refused = await world.deliver(
    world.job({ message: { reversePath: "evil@our.test" }, to: ["a@e.org", "b@e.org"] }),
  );
  assert.deepEqual(refused.map(brief), ["bounced 5.7.1", "bounced 5.7.1"]);
  assert.equal((await world.deliver(world.job({})))[0]?.kind, "relayed");
  assert.equal(peer.sessions, 1);
});

test("SMTPC-016 SMTPC-017: recipients beyond the peer's limit are deferred soon, the others delivered", async () => {
  for (const reply of ["452 4.5.3 too many recipients", "552 too many recipients"]) {
    await using world = new World();
    const peer = await world.peer("192.0.2.1", {
      keywords: classicExtensions,
      answer: ({ verb, recipients }) => (verb === "RCPT" && recipients > 100 ? reply : undefined),
    });
    const to = Array.from({ length: 150 }, (_, index) => `u${index}@example.org`);
    const outcomes = await world.deliver(world.job({ to }));
    assert.equal(outcomes.filter(({ kind }) => kind === "relayed").length, 100);
    assert.equal(outcomes.filter((outcome) => outcome.kind === "deferred" && outcome.soon === true).length, 50);
    assert.equal(peer.messages.length, 1);
  }
});

test("OPT-015: RCPTMAX and MAILMAX of the peer are obeyed", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", { keywords: [...classicExtensions, "LIMITS RCPTMAX=2 MAILMAX=2 FOO=1"] });
  const outcomes = await world.deliver(world.job({ to: ["a", "b", "c", "d", "e"].map((name) => `${name}@e.org`) }));
  assert.ok(outcomes.every(({ kind }) => kind === "relayed"));
  assert.deepEqual(
    peer.messages.map(({ recipients, session }) => [recipients.length, session]),
    [
      [2, 0],
      [2, 0],
      [1, 1],
    ],
  );
});

test("SMTPC-020: a peer that knows only HELO gets no ESMTP parameters", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", { answer: ({ verb }) => (verb === "EHLO" ? "502 what" : undefined) });
  assert.equal((await world.deliver(world.job({ message: { ret: "FULL", envelopeId: "x" } })))[0]?.kind, "relayed");
  assert.deepEqual(peer.lines.slice(0, 4), [
    "EHLO our.test",
    "HELO our.test",
    "MAIL FROM:<bob@our.test>",
    "RCPT TO:<ann@example.org>",
  ]);
});

test("a message larger than the peer takes is bounced 5.3.4 without MAIL", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", { keywords: ["SIZE 20"] });
  const [outcome] = await world.deliver(world.job({}));
  assert.ok(outcome?.kind === "bounced" && outcome.status === "5.3.4" && outcome.owner === "content");
  assert.ok(!peer.verbs.includes("MAIL"));
});

test("EXT-014 EXT-024: 8-bit and binary content never go to a peer that does not take them", async () => {
  for (const [facts, keywords, expected] of [
    [{ eightBit: true }, ["PIPELINING"], "bounced 5.6.3"],
    [{ eightBit: true }, ["8BITMIME"], "relayed 2.0.0"],
    [{ eightBit: true, binary: true }, ["8BITMIME", "CHUNKING"], "bounced 5.6.3"],
    [{ binary: true }, ["8BITMIME", "BINARYMIME"], "bounced 5.6.3"],
    [{ binary: true }, ["CHUNKING", "BINARYMIME"], "relayed 2.0.0"],
  ] as const) {
    await using world = new World();
    const peer = await world.peer("192.0.2.1", { keywords });
    const content = "binary" in facts ? "a: b\r\n\r\nx\0y\nz" : "a: b\r\n\r\nüé\r\n";
    const job = world.job({ content, hop: { convert: false } });
    const [outcome] = await world.deliver({
      ...job,
      message: { ...job.message, facts: { ...job.message.facts, ...facts } },
    });
    assert.equal(outcome && brief(outcome), expected, keywords.join(" "));
    const mail = peer.lines.find((line) => line.startsWith("MAIL"));
    if (expected.startsWith("bounced")) assert.equal(mail, undefined);
    else assert.match(mail ?? "", "binary" in facts ? /BODY=BINARYMIME$/ : /BODY=8BITMIME$/);
    if (peer.messages[0]) assert.equal(peer.messages[0].content.toString(), header + content);
  }
});

test("EXT-014: 8-bit content is converted for a server without 8BITMIME, alike at every attempt, and others get it as it is", async () => {
  const text = `Subject: x\r\n\r\n${"A naïve text of many lines\r\n.".repeat(400)}\r\n`;
  const sent = new Set<string>();
  for (const pieces of [undefined, 7, 1000]) {
    for (const keywords of [[], ["PIPELINING", "CHUNKING", "SIZE 100000"]]) {
      await using world = new World();
      const peer = await world.peer("192.0.2.1", { keywords });
      const job = world.job({ content: text, ...(pieces !== undefined && { pieces }) });
      const facts = { ...job.message.facts, eightBit: true };
      assert.deepEqual((await world.deliver({ ...job, message: { ...job.message, facts } })).map(brief), [
        "relayed 2.0.0",
      ]);
      sent.add(String(peer.messages[0]?.content));
      const mail = peer.messages[0]?.mail ?? "";
      assert.doesNotMatch(mail, /BODY=/);
      if (keywords.length > 0) assert.match(mail, new RegExp(` SIZE=${peer.messages[0]?.content.length}$`));
    }
  }
  const [only, ...others] = sent;
  assert.deepEqual(others, []);
  assert.match(
    only ?? "",
    /^Received: [^\n]+\nSubject: x\r\nMIME-Version: 1\.0\r\nContent-Type: text\/plain; charset=utf-8\r\n/,
  );
  assert.match(only ?? "", /\r\n\r\nA na=C3=AFve text of many lines\r\n\.A na=C3=AFve/);
});

test("EXT-014: what cannot be converted without harm is bounced 5.6.3 with the reason, and the next MX is asked first", async () => {
  for (const [headerBlock, content, reason] of [
    [header, "DKIM-Signature: v=1\r\n\r\nä\r\n", /has a DKIM signature that is not ours/],
    [header, "Subject: ä\r\n\r\nx\r\n", /a header is not ASCII/],
    [`ARC-Message-Signature: i=1\r\n${header}`, "Subject: x\r\n\r\nä\r\n", /has an ARC seal/],
    [`DKIM-Signature: v=1\r\n${header}`, "Subject: x\r\n\r\nä\r\n", /our signature could not be made/],
  ] as const) {
    await using world = new World();
    const first = await world.peer("192.0.2.1", { keywords: ["PIPELINING"] });
    const second = await world.peer("192.0.2.2", { keywords: ["8BITMIME"] });
    const job = world.job({ content, message: { headerBlock }, hop: { hosts: hosts(2) } });
    const message = { ...job.message, facts: { ...job.message.facts, eightBit: true } };
    assert.deepEqual((await world.deliver({ ...job, message })).map(brief), ["relayed 2.0.0"]);
    assert.equal(String(second.messages[0]?.content), headerBlock + content);
    await world.clock.advance(5_000);
    const [outcome] = await world.deliver({ ...job, message, hop: { ...smtpHop(1), hosts: hosts(1) } });
    assert.equal(outcome && brief(outcome), "bounced 5.6.3");
    assert.match(outcome?.kind === "bounced" ? outcome.reason : "", reason);
    assert.deepEqual(first.messages, []);
  }
});

test("EXT-014: a converted message larger than the server takes is bounced 5.3.4", async () => {
  await using world = new World();
  await world.peer("192.0.2.1", { keywords: ["SIZE 160"] });
  const job = world.job({ content: `Subject: x\r\n\r\n${"ä".repeat(30)}\r\n` });
  const message = { ...job.message, facts: { ...job.message.facts, eightBit: true } };
  assert.deepEqual((await world.deliver({ ...job, message })).map(brief), ["bounced 5.3.4"]);
});

test("SMTPC-019: content with a bare LF whose facts are wrong is bounced and never becomes a message", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", { keywords: classicExtensions });
  const [outcome] = await world.deliver(world.job({ content: "a: b\r\n\r\nx\n.\r\nMAIL FROM:<x@y>\r\n" }));
  assert.equal(outcome && brief(outcome), "bounced 5.6.3");
  assert.deepEqual(peer.messages, []);
});

test("EAI-005: an internationalised message goes to the MX that takes it, and bounces 5.6.7 where none does", async () => {
  await using world = new World();
  await world.peer("192.0.2.1", { keywords: ["8BITMIME"] });
  const second = await world.peer("192.0.2.2", { keywords: ["8BITMIME", "SMTPUTF8"] });
  const job = { to: ["пётр@example.org"], hop: { hosts: hosts(2) } };
  assert.equal((await world.deliver(world.job(job)))[0]?.kind, "relayed");
  assert.match(second.lines.find((line) => line.startsWith("MAIL")) ?? "", / SMTPUTF8/);
  await world.clock.advance(5_000);
  const [outcome] = await world.deliver(world.job({ ...job, hop: { hosts: hosts(1) } }));
  assert.ok(outcome?.kind === "bounced" && outcome.status === "5.6.7");
});

test("EAI-005: one international recipient does not take the others with it", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", { keywords: ["8BITMIME"] });
  const to = [
    "ann@example.org",
    "пётр@example.org",
    { address: "bob@bücher.example", domain: "xn--bcher-kva.example" },
  ];
  assert.deepEqual((await world.deliver(world.job({ to }))).map(brief), [
    "relayed 2.0.0",
    "bounced 5.6.7",
    "relayed 2.0.0",
  ]);
  assert.deepEqual(peer.messages[0]?.recipients, ["RCPT TO:<ann@example.org>", "RCPT TO:<bob@xn--bcher-kva.example>"]);
});

test("EAI-006 EAI-010, trap 22: SMTPUTF8 follows from the message, on a kept connection too", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", { keywords: modernExtensions });
  const mails = (): readonly string[] => peer.lines.filter((line) => line.startsWith("MAIL"));
  await world.deliver(world.job({ message: { smtpUtf8: true } }));
  assert.doesNotMatch(mails()[0] ?? "", /SMTPUTF8/);
  const job = world.job({ message: { smtpUtf8: true } });
  await world.deliver({ ...job, message: { ...job.message, facts: { ...job.message.facts, utf8Header: true } } });
  assert.match(mails()[1] ?? "", /BODY=8BITMIME SMTPUTF8/);
  await world.deliver(world.job({}));
  assert.doesNotMatch(mails()[2] ?? "", /SMTPUTF8/);
  await world.deliver(world.job({ message: { reversePath: "бob@our.test" } }));
  assert.match(mails()[3] ?? "", /SMTPUTF8/);
  assert.equal(peer.sessions, 1);
});

test("EAI-005: a UTF-8 header that nobody declared SMTPUTF8 is 8-bit content, in our own header block, too", async () => {
  for (const keywords of [["8BITMIME"], modernExtensions]) {
    for (const block of [header, `X-Found: grün\r\n${header}`]) {
      await using world = new World();
      const peer = await world.peer("192.0.2.1", { keywords });
      const job = world.job({ message: { headerBlock: block }, content: "Subject: grün\r\n\r\nx\r\n" });
      const facts = { ...job.message.facts, utf8Header: true, eightBit: true };
      const [outcome] = await world.deliver({ ...job, message: { ...job.message, facts } });
      assert.equal(outcome && brief(outcome), "relayed 2.0.0");
      assert.equal(String(peer.messages[0]?.content), `${block}Subject: grün\r\n\r\nx\r\n`);
      assert.match(peer.messages[0]?.mail ?? "", / BODY=8BITMIME$/);
    }
  }
});

test("EAI-005: a UTF-8 header that was declared SMTPUTF8 bounces 5.6.7 where the next hop lacks it", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", { keywords: ["8BITMIME"] });
  const job = world.job({ message: { smtpUtf8: true } });
  const facts = { ...job.message.facts, utf8Header: true, eightBit: true };
  const [outcome] = await world.deliver({ ...job, message: { ...job.message, facts } });
  assert.equal(outcome && brief(outcome), "bounced 5.6.7");
  assert.deepEqual(peer.messages, []);
});

test("DSN-005 DSN-007: parameters reach a peer with DSN and are told as passed on; another gets none", async () => {
  for (const keywords of [classicExtensions, ["8BITMIME"]]) {
    await using world = new World();
    const peer = await world.peer("192.0.2.1", { keywords });
    const to = [
      { address: "ann@example.org", notify: ["SUCCESS", "DELAY"], originalRecipient: "rfc822;Ann+2B1@X.org" },
    ] as const;
    const [outcome] = await world.deliver(world.job({ to, message: { ret: "HDRS", envelopeId: "QQ+2B1" } }));
    const passedOn = keywords.includes("DSN");
    assert.ok(outcome?.kind === "relayed");
    assert.equal(outcome.dsnPassedOn, passedOn);
    const text = peer.lines.join("\n");
    assert.equal(/ RET=HDRS ENVID=QQ\+2B1$/m.test(text), passedOn);
    assert.equal(/ NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Ann\+2B1@X\.org$/m.test(text), passedOn);
  }
});

test("trap 20: an address that would break out of its command is bounced here", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", { keywords: modernExtensions });
  const outcomes = await world.deliver(
    world.job({ to: ["x> ORCPT=y@e.org", '"x> ORCPT=y"@e.org', "a@b\r\nRSET", ""] }),
  );
  assert.deepEqual(outcomes.map(brief), ["bounced 5.1.3", "relayed 2.0.0", "bounced 5.1.3", "bounced 5.1.3"]);
  assert.deepEqual(peer.messages[0]?.recipients, ['RCPT TO:<"x> ORCPT=y"@e.org>']);
  const [sender] = await world.deliver(world.job({ message: { reversePath: "a b@our.test" } }));
  assert.equal(sender && brief(sender), "bounced 5.1.7");
});

test("a kept connection that the peer has closed meanwhile is replaced within the attempt", async () => {
  for (const how of ["closed", "421", "closes at MAIL", "421 at MAIL"] as const) {
    await using world = new World();
    const peer = await world.peer("192.0.2.1", {
      keywords: modernExtensions,
      answer: ({ verb, session }) => {
        if (verb !== "MAIL" || session > 0 || peer.messages.length === 0) return undefined;
        if (how === "closes at MAIL") return close;
        return how === "421 at MAIL" ? { reply: "421 4.7.0 enough", close: true } : undefined;
      },
    });
    await world.deliver(world.job({}));
    if (how === "closed") peer.dropAll();
    if (how === "421") peer.say("421 4.3.2 shutting down");
    await settle();
    const [outcome] = await world.deliver(world.job({}));
    assert.equal(outcome?.kind, "relayed", how);
    assert.equal(peer.sessions, 2, how);
  }
});

test("kept connections end after a few seconds, after the most messages, and at close", async () => {
  await using world = new World({ messagesPerConnection: 2 });
  const peer = await world.peer("192.0.2.1", { keywords: modernExtensions });
  for (let message = 0; message < 3; message++) await world.deliver(world.job({}));
  assert.equal(peer.sessions, 2);
  assert.equal(peer.openSessions, 1);
  await world.clock.advance(2_900);
  assert.equal(peer.openSessions, 1);
  await world.clock.advance(200);
  assert.equal(peer.openSessions, 0);
  assert.equal(peer.verbs.filter((verb) => verb === "QUIT").length, 2);
  await world.deliver(world.job({}));
  await world.agent.close();
  assert.equal(peer.verbs.filter((verb) => verb === "QUIT").length, 3);
});

test("trap 23: connections with different needs are never mixed", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", { keywords: [...modernExtensions, "STARTTLS", "AUTH PLAIN"] });
  const hops: Partial<SmtpHop>[] = [
    {},
    { tls: "none" },
    { tls: "required" },
    { tls: "verified" },
    { site: "other.example" },
    { tls: "verified", credentials: { username: "u", password: "p" } },
    { tls: "verified", credentials: { username: "u", password: "q" } },
  ];
  for (const hop of [...hops, ...hops]) {
    assert.equal((await world.deliver(world.job({ hop })))[0]?.kind, "relayed");
  }
  assert.equal(peer.sessions, hops.length);
});

test("a failed transaction is reset before the next one on the same connection", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", {
    keywords: classicExtensions,
    answer: ({ verb, line }) => (verb === "RCPT" && line.includes("no@") ? "450 4.2.1 later" : undefined),
  });
  assert.equal((await world.deliver(world.job({ to: ["no@e.org"] })))[0]?.kind, "deferred");
  assert.equal((await world.deliver(world.job({})))[0]?.kind, "relayed");
  assert.equal(peer.sessions, 1);
  assert.deepEqual(peer.verbs.slice(-5), ["RSET", "MAIL", "RCPT", "DATA", "."]);
});

test("EXT-010: 354 and even 250 without recipients deliver nothing to nobody", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", {
    keywords: classicExtensions,
    answer: ({ verb }) => (verb === "RCPT" ? "550 5.1.1 no" : verb === "DATA" ? "354 go" : undefined),
  });
  const outcomes = await world.deliver(world.job({}));
  assert.deepEqual(outcomes.map(brief), ["bounced 5.1.1"]);
  assert.equal(peer.messages[0]?.content.length, 0);
});

test("SMTPC-011: DATA answered 250 gets no content; the message is deferred and the connection closed", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", {
    keywords: classicExtensions,
    answer: ({ verb }) => (verb === "DATA" ? "250 ok" : undefined),
  });
  const [outcome] = await world.deliver(world.job({}));
  await settle();
  assert.ok(outcome?.kind === "deferred" && outcome.status === "4.5.0");
  assert.deepEqual(peer.messages, []);
  assert.equal(peer.openSessions, 0);
});

test("content over a slow line keeps its pace and its octets", async () => {
  for (const keywords of [classicExtensions, modernExtensions]) {
    await using world = new World();
    const peer = await world.peer("192.0.2.1", { keywords });
    const content = `Subject: big\r\n\r\n${".line of text\r\n".repeat(40_000)}`;
    const [outcome] = await world.deliver(world.job({ content, pieces: 50_000 }));
    assert.equal(outcome?.kind, "relayed");
    assert.ok(peer.messages[0]?.content.equals(Buffer.from(header + content)));
  }
});

test("content that cannot be read defers what was not settled before, and the peer keeps nothing", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", { keywords: [...classicExtensions, "LIMITS RCPTMAX=1"] });
  const job = world.job({ to: ["a@e.org", "b@e.org"], pieces: 10 });
  let opened = 0;
  const outcomes = await world.deliver({
    ...job,
    openContent: async () => {
      const content = await job.openContent();
      if (opened++ === 0) return content;
      return {
        ...content,
        async *chunks() {
          yield Buffer.from("Subject: x\r\n");
          throw new Error("disk trouble");
        },
      };
    },
  });
  assert.deepEqual(outcomes.map(brief), ["relayed 2.0.0", "deferred 4.3.0"]);
  assert.equal(peer.messages.length, 1);
  assert.equal(world.eventsNamed("internal-error").length, 1);
});

test("LMTP: replies are kept per recipient, delivered is final, and DSN parameters stay here", async () => {
  await using world = new World();
  const endpoint = { kind: "unix", path: "/run/lmtp" } as const;
  const peer = await ScriptedPeer.listen(world.network, endpoint, {
    dialect: "lmtp",
    keywords: modernExtensions,
    answer: ({ verb, recipient }) => (verb === "." && recipient?.includes("full@") ? "452 4.2.2 full" : undefined),
  });
  world.peers.push(peer);
  const hop: LmtpHop = { kind: "lmtp", site: "lmtp", endpoint, tls: "none", description: "lmtp unix:/run/lmtp" };
  const to = ["a@e.org", "full@e.org", { address: "b@e.org", notify: ["SUCCESS"] as const }];
  const outcomes = await world.deliver(world.job({ hop, to }));
  assert.deepEqual(outcomes.map(brief), ["delivered 2.0.0", "deferred 4.2.2", "delivered 2.0.0"]);
  assert.equal(outcomes[1]?.kind === "deferred" && outcomes[1].owner, "recipient");
  assert.equal(peer.lines[0], "LHLO our.test");
  assert.doesNotMatch(peer.lines.join("\n"), /NOTIFY/);
});

test("LMTP-006: a server lost after reply 2 of 3 defers only the third recipient", async () => {
  await using world = new World();
  let replies = 0;
  await world.peer("192.0.2.1", {
    dialect: "lmtp",
    answer: ({ verb }) => (verb === "." && ++replies === 3 ? close : undefined),
  });
  const endpoint = { kind: "hosts", hosts: hosts(1), port: 25 } as const;
  const hop: LmtpHop = { kind: "lmtp", site: "lmtp", endpoint, tls: "none", description: "lmtp" };
  const outcomes = await world.deliver(world.job({ hop, to: ["a@e.org", "b@e.org", "c@e.org"] }));
  assert.deepEqual(outcomes.map(brief), ["delivered 2.0.0", "delivered 2.0.0", "deferred 4.4.2"]);
});

test("an acceptance that comes with the 354 delivers nothing, over SMTP and over LMTP", async () => {
  for (const dialect of ["smtp", "lmtp"] as const) {
    await using world = new World();
    const answer = ({ verb }: PeerCommand) => (verb === "DATA" ? "354 go\r\n250 2.0.0 kept" : undefined);
    await world.peer("192.0.2.1", { dialect, answer });
    const endpoint = { kind: "hosts", hosts: hosts(1), port: 25 } as const;
    const hop: LmtpHop = { kind: "lmtp", site: "lmtp", endpoint, tls: "none", description: "lmtp" };
    const outcomes = await world.deliver(world.job(dialect === "lmtp" ? { hop } : {}));
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      ["deferred"],
    );
  }
});

test("asked to stop before a connection: deferred at once; within a transaction: after a short grace", async () => {
  {
    await using world = new World();
    world.network.fail({ kind: "ip", address: "192.0.2.1", port: 25 }, "stall");
    const delivery = world.deliver(world.job({}));
    await settle();
    world.stop.abort();
    const [outcome] = await delivery;
    assert.ok(outcome?.kind === "deferred" && outcome.status === "4.3.2" && outcome.owner === "local-trouble");
  }
  await using world = new World();
  await world.peer("192.0.2.1", {
    keywords: modernExtensions,
    answer: ({ verb }) => (verb === "." ? stall : undefined),
  });
  const delivery = world.deliver(world.job({}));
  await settle();
  world.stop.abort();
  await world.clock.advance(4_900);
  let done = false;
  void delivery.then(() => (done = true));
  await settle();
  assert.equal(done, false);
  await world.clock.advance(200);
  const [outcome] = await delivery;
  assert.ok(outcome?.kind === "deferred" && /duplicate/.test(outcome.reason));
});

test("a bind address of the right family is used, except towards loopback", async () => {
  await using world = new World({ bindAddresses: ["198.51.100.7", "2001:db8::7"], keepIdleMs: 0 });
  for (const address of ["192.0.2.1", "2001:db8::1", "127.0.0.1"]) {
    await world.peer(address);
    await world.deliver(world.job({ hop: { hosts: [{ name: "mx.e.org", addresses: [address] }] } }));
  }
  assert.deepEqual(
    world.network.connections.map(({ local }) => local.kind === "ip" && local.address),
    ["198.51.100.7", "2001:db8::7", "127.0.0.1"],
  );
});

test("trap 25: a very long refusal is kept within bounds", async () => {
  await using world = new World();
  const lines = Array.from({ length: 150 }, (_, index) => `550${index === 149 ? " " : "-"}${"long ".repeat(100)}`);
  await world.peer("192.0.2.1", { answer: ({ verb }) => (verb === "RCPT" ? lines.join("\r\n") : undefined) });
  const [outcome] = await world.deliver(world.job({}));
  assert.ok(outcome?.kind === "bounced");
  assert.ok((outcome.diagnostic?.text.length ?? 0) <= 4_000);
  assert.ok(outcome.reason.length <= 600);
});

test("a host that closes after EHLO, message after message, is not asked for ever", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", {
    answer: ({ verb }) => (verb === "EHLO" ? { reply: "250 peer.test", close: true } : undefined),
  });
  const [outcome] = await world.deliver(world.job({}));
  assert.ok(outcome?.kind === "deferred" && outcome.status === "4.4.2");
  assert.equal(peer.sessions, 1);
});

test("two messages at once to one site use two connections, and both are kept", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", { keywords: modernExtensions });
  await Promise.all([world.deliver(world.job({})), world.agent.deliver(world.job({}), { signal: world.stop.signal })]);
  await Promise.all([1, 2].map(() => world.agent.deliver(world.job({}), { signal: world.stop.signal })));
  assert.equal(peer.sessions, 2);
  assert.equal(peer.messages.length, 4);
});

const eightBitFacts = {
  receivedCount: 0,
  ownReceived: false,
  autoSubmitted: false,
  deliveredTo: [],
  utf8Header: false,
  eightBit: true,
  binary: false,
};

test("what a backup host lacks is no verdict while the primary is down: the mail waits for the primary", async () => {
  for (const [what, keywords, message] of [
    ["8BITMIME", ["SIZE 1000000"], { facts: eightBitFacts }],
    ["SIZE", ["SIZE 20"], {}],
    ["SMTPUTF8 for the sender", classicExtensions, { reversePath: "bö@our.test" }],
  ] as const) {
    await using world = new World();
    const backup = await world.peer("192.0.2.2", { keywords });
    const hop = { ...smtpHop(2), convert: false };
    const { outcomes } = await world.agent.deliver(world.job({ hop, message }), {
      signal: world.stop.signal,
    });
    const [only] = outcomes;
    assert.equal(only?.outcome.kind, "deferred", what);
    assert.equal(only.site, "answered", "the backup is there for other mail");
    assert.ok(!backup.verbs.includes("MAIL"));
  }
});

test("what every host of the site lacks is final, also where one address of a host is down", async () => {
  await using world = new World();
  for (const address of ["192.0.2.1", "192.0.2.2"]) await world.peer(address, { keywords: ["SIZE 20"] });
  const [primary, backup] = hosts(2);
  assert.ok(primary !== undefined && backup !== undefined);
  const both = [{ ...primary, addresses: ["192.0.2.99", ...primary.addresses] }, backup];
  const [outcome] = await world.deliver(world.job({ hop: { ...smtpHop(2), hosts: both } }));
  assert.equal(outcome && brief(outcome), "bounced 5.3.4");
});

test("a recipient that needs SMTPUTF8 is sent through the host that has it, the others through the first", async () => {
  await using world = new World();
  const plain = await world.peer("192.0.2.1", { keywords: classicExtensions });
  const modern = await world.peer("192.0.2.2", { keywords: modernExtensions });
  const outcomes = await world.deliver(world.job({ hop: smtpHop(2), to: ["ann@example.org", "bö@example.org"] }));
  assert.deepEqual(outcomes.map(brief), ["relayed 2.0.0", "relayed 2.0.0"]);
  assert.deepEqual(
    [plain, modern].map(({ messages }) => messages.map(({ recipients }) => recipients.length)),
    [[1], [1]],
  );
});

test("a recipient that needs SMTPUTF8 waits while the host that may have it is down", async () => {
  await using world = new World();
  await world.peer("192.0.2.1", { keywords: classicExtensions });
  const job = world.job({ hop: smtpHop(2), to: ["ann@example.org", "bö@example.org"] });
  assert.deepEqual((await world.deliver(job)).map(brief), ["relayed 2.0.0", "deferred 4.4.1"]);
});

test("a connection lost after MAIL was accepted says that the site answered; before, it does not", async () => {
  for (const [verb, expected] of [
    ["RCPT", "answered"],
    ["DATA", "answered"],
    [".", "answered"],
    ["MAIL", undefined],
    ["EHLO", undefined],
  ] as const) {
    await using world = new World();
    await world.peer("192.0.2.1", { keywords: [], answer: (command) => (command.verb === verb ? close : undefined) });
    const { outcomes } = await world.agent.deliver(world.job({}), { signal: world.stop.signal });
    assert.equal(outcomes[0]?.outcome.kind, "deferred");
    assert.equal(outcomes[0].site, expected, verb);
  }
});

test("each host of a site gets one of the ten addresses before any gets a second", async () => {
  await using world = new World();
  const many = Array.from({ length: 12 }, (_, index) => `192.0.2.${100 + index}`);
  const backup = await world.peer("192.0.2.2", { keywords: modernExtensions });
  const [, second] = hosts(2);
  assert.ok(second !== undefined);
  const hop = { ...smtpHop(2), hosts: [{ name: "mx1.example.org", addresses: many }, second] };
  const [outcome] = await world.deliver(world.job({ hop }));
  assert.equal(outcome?.kind, "relayed");
  assert.equal(backup.messages.length, 1);
  assert.equal(world.eventsNamed("connection-failed").length, 9);
});

test("an address to which too many deliveries are under way is left alone, and the next one is asked", async () => {
  await using world = new World();
  const crowded = await world.peer("192.0.2.1", { keywords: modernExtensions });
  const free = await world.peer("192.0.2.2", { keywords: modernExtensions });
  const mayConnect = (address: string) => address !== "192.0.2.1";
  assert.equal((await world.deliver({ ...world.job({ hop: smtpHop(2) }), mayConnect }))[0]?.kind, "relayed");
  assert.deepEqual([crowded.messages.length, free.messages.length], [0, 1]);
  const result = await world.agent.deliver({ ...world.job({}), mayConnect }, { signal: world.stop.signal });
  assert.equal(result.outcomes[0]?.site, "not-asked");
  assert.equal(result.outcomes[0].outcome.status, "4.4.5");
});

test("an idle connection to an address ends where another site's delivery needs its place there", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", { keywords: modernExtensions });
  const asked: string[] = [];
  const idleMax = (address: string) => {
    asked.push(address);
    return 0;
  };
  await world.deliver(world.job({}));
  assert.equal(peer.openSessions, 1);
  assert.equal((await world.deliver({ ...world.job({}), idleMax }))[0]?.kind, "relayed");
  assert.deepEqual([peer.sessions, asked], [1, []], "its own site uses it");
  await world.deliver({ ...world.job({ hop: { site: "other.example" } }), idleMax });
  assert.deepEqual([peer.sessions, peer.openSessions, asked], [2, 1, ["192.0.2.1"]]);
});

test("a kept connection is left alone while too many deliveries are under way to its address", async () => {
  await using world = new World();
  const peer = await world.peer("192.0.2.1", { keywords: modernExtensions });
  await world.deliver(world.job({}));
  const result = await world.agent.deliver(
    { ...world.job({}), mayConnect: () => false },
    { signal: world.stop.signal },
  );
  assert.equal(result.outcomes[0]?.site, "not-asked");
  assert.equal(peer.messages.length, 1);
});

test("an attempt has a bound in all: of ten hosts that never greet, three are waited for", async () => {
  await using world = new World();
  for (let number = 1; number <= 10; number++) await world.peer(`192.0.2.${number}`, { greeting: stall });
  const began = world.clock.monotonicMs();
  const [outcome] = await world.deliverWithTime(world.job({ hop: smtpHop(10) }));
  assert.equal(outcome?.kind, "deferred");
  assert.ok(world.clock.monotonicMs() - began <= 15 * 60_000 + 1_000);
});
