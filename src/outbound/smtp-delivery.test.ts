/** One message to one server: what is sent, and what each reply and each failure means for its recipients. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { settle } from "../testing/manual-clock.ts";
import {
  OutboundWorld,
  hosts,
  brief,
  header,
  body,
  modernExtensions,
  classicExtensions,
} from "../testing/outbound-world.ts";
import { close, stall } from "../testing/scripted-peer.ts";

test("a message is relayed byte for byte, header block first, over DATA and over BDAT", async () => {
  for (const keywords of [[], classicExtensions, modernExtensions]) {
    for (const pieces of [undefined, 7]) {
      await using world = new OutboundWorld();
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

test("a refusal at MAIL is about the message and bounces at once", async () => {
  await using world = new OutboundWorld();
  await world.peer("192.0.2.1", { answer: ({ verb }) => (verb === "MAIL" ? "554 5.7.1 no" : undefined) });
  const [outcome] = await world.deliver(world.job({}));
  assert.equal(outcome && brief(outcome), "bounced 5.7.1");
});

test("SMTPC-008: 556 to RCPT is permanent", async () => {
  await using world = new OutboundWorld();
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
    await using world = new OutboundWorld();
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
  await using world = new OutboundWorld();
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
  await using world = new OutboundWorld();
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
    await using world = new OutboundWorld();
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

test("SMTPC-015: 5yz to MAIL bounces that message only; the next one is tried", async () => {
  await using world = new OutboundWorld();
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
    await using world = new OutboundWorld();
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

test("trap 20: an address that would break out of its command is bounced here", async () => {
  await using world = new OutboundWorld();
  const peer = await world.peer("192.0.2.1", { keywords: modernExtensions });
  const outcomes = await world.deliver(
    world.job({ to: ["x> ORCPT=y@e.org", '"x> ORCPT=y"@e.org', "a@b\r\nRSET", ""] }),
  );
  assert.deepEqual(outcomes.map(brief), ["bounced 5.1.3", "relayed 2.0.0", "bounced 5.1.3", "bounced 5.1.3"]);
  assert.deepEqual(peer.messages[0]?.recipients, ['RCPT TO:<"x> ORCPT=y"@e.org>']);
  const [sender] = await world.deliver(world.job({ message: { reversePath: "a b@our.test" } }));
  assert.equal(sender && brief(sender), "bounced 5.1.7");
});

test("EXT-010: 354 and even 250 without recipients deliver nothing to nobody", async () => {
  await using world = new OutboundWorld();
  const peer = await world.peer("192.0.2.1", {
    keywords: classicExtensions,
    answer: ({ verb }) => (verb === "RCPT" ? "550 5.1.1 no" : verb === "DATA" ? "354 go" : undefined),
  });
  const outcomes = await world.deliver(world.job({}));
  assert.deepEqual(outcomes.map(brief), ["bounced 5.1.1"]);
  assert.equal(peer.messages[0]?.content.length, 0);
});

test("SMTPC-011: DATA answered 250 gets no content; the message is deferred and the connection closed", async () => {
  await using world = new OutboundWorld();
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
    await using world = new OutboundWorld();
    const peer = await world.peer("192.0.2.1", { keywords });
    const content = `Subject: big\r\n\r\n${".line of text\r\n".repeat(40_000)}`;
    const [outcome] = await world.deliver(world.job({ content, pieces: 50_000 }));
    assert.equal(outcome?.kind, "relayed");
    assert.ok(peer.messages[0]?.content.equals(Buffer.from(header + content)));
  }
});

test("content that cannot be read defers what was not settled before, and the peer keeps nothing", async () => {
  await using world = new OutboundWorld();
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

test("asked to stop before a connection: deferred at once; within a transaction: after a short grace", async () => {
  {
    await using world = new OutboundWorld();
    world.network.fail({ kind: "ip", address: "192.0.2.1", port: 25 }, "stall");
    const delivery = world.deliver(world.job({}));
    await settle();
    world.stop.abort();
    const [outcome] = await delivery;
    assert.ok(outcome?.kind === "deferred" && outcome.status === "4.3.2" && outcome.owner === "local-trouble");
  }
  await using world = new OutboundWorld();
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

test("trap 25: a very long refusal is kept within bounds", async () => {
  await using world = new OutboundWorld();
  const lines = Array.from({ length: 150 }, (_, index) => `550${index === 149 ? " " : "-"}${"long ".repeat(100)}`);
  await world.peer("192.0.2.1", { answer: ({ verb }) => (verb === "RCPT" ? lines.join("\r\n") : undefined) });
  const [outcome] = await world.deliver(world.job({}));
  assert.ok(outcome?.kind === "bounced");
  assert.ok((outcome.diagnostic?.text.length ?? 0) <= 4_000);
  assert.ok(outcome.reason.length <= 600);
});
