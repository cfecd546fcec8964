/**
 * What every spool promises, as one suite: each implementation's test file calls it with a way to make an empty spool.
 * Time is a manual clock, so leases end and retries fall due without waiting.
 */
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import type { HistoryEvent } from "../../src/events/history-event.ts";
import {
  SpoolError,
  type ClaimedMessage,
  type ClaimRequest,
  type ClaimTerms,
  type Content,
  type NewMessage,
  type NewRecipient,
  type RecipientChange,
  type Spool,
  type StoredRecipient,
} from "../../src/spool/spool.ts";
import { QueueIds } from "../../src/spool/queue-id.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

export interface SpoolHarness extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly spool: Spool;
  /** As a crash of the process would: nothing is closed in order; then a new spool over what is durable. */
  crash(): Promise<Spool>;
}

export const terms: ClaimTerms = { leaseMs: 60_000, retryDelaysMs: [300_000, 600_000] };

export function request(changes: Partial<ClaimRequest> = {}): ClaimRequest {
  return { ...terms, limit: 100, perDomainMax: 100, excludeDomains: [], ...changes };
}

export const ids = new QueueIds(new ManualClock(), new SeededRandom(7));

export function recipient(address: string, more: Partial<NewRecipient> = {}): NewRecipient {
  return { address, domain: address.slice(address.lastIndexOf("@") + 1), ...more };
}

/** A message for the recipients named; a string is an address. */
export function draft(to: readonly (string | NewRecipient)[], more: Partial<NewMessage> = {}): NewMessage {
  return {
    id: ids.next(),
    receivedAt: Date.UTC(2026, 0, 1),
    reversePath: "sender@origin.test",
    origin: { listener: "mx", protocol: "ESMTP", clientAddress: "192.0.2.1", hello: "client.test" },
    body: "8BITMIME",
    smtpUtf8: false,
    facts: {
      receivedCount: 1,
      ownReceived: false,
      autoSubmitted: false,
      deliveredTo: [],
      utf8Header: false,
      eightBit: true,
      binary: false,
      subject: "Grüße \u{1f4ee}",
    },
    headerBlock: "Received: from client.test\r\n\tby mail.test; Thu, 1 Jan 2026 00:00:00 +0000\r\n",
    recipients: to.map((item) => (typeof item === "string" ? recipient(item) : item)),
    ...more,
  };
}

export function accepted(message: NewMessage, size = 0): HistoryEvent {
  return {
    kind: "message-accepted",
    at: message.receivedAt,
    message: message.id,
    from: message.reversePath,
    recipients: message.recipients.map(({ address }) => address),
    size,
    client: "client.test [192.0.2.1]",
    protocol: "ESMTP",
  };
}

/** Commits a message in one piece. */
export async function put(
  spool: Spool,
  message: NewMessage,
  options: {
    readonly content?: Uint8Array | string;
    readonly claim?: ClaimTerms;
    readonly events?: HistoryEvent[];
  } = {},
): Promise<ClaimedMessage | undefined> {
  await using writer = spool.begin();
  const content = Buffer.from(options.content ?? "Subject: hello\r\n\r\nHello.\r\n");
  await writer.append(content);
  const { claim, events = [accepted(message, content.length)] } = options;
  const { claimed } = await writer.commit(message, claim === undefined ? { events } : { claim, events });
  return claimed;
}

export async function putClaimed(spool: Spool, to: readonly (string | NewRecipient)[]): Promise<ClaimedMessage> {
  const claimed = await put(spool, draft(to), { claim: terms });
  assert.ok(claimed);
  return claimed;
}

export async function recipientsOf(spool: Spool, id: string): Promise<readonly StoredRecipient[]> {
  const found = await spool.message(id);
  assert.ok(found, `message ${id} is known`);
  return found.recipients;
}

export async function statesOf(spool: Spool, id: string): Promise<readonly string[]> {
  return (await recipientsOf(spool, id)).map(({ state }) => state);
}

/** All octets, read both ways where there are two. */
export async function contentOf(spool: Spool, id: string): Promise<Buffer | undefined> {
  const content: Content | undefined = await spool.openContent(id);
  if (content === undefined) return undefined;
  await using opened = content;
  const chunks: Uint8Array[] = [];
  for await (const chunk of opened.chunks()) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  assert.equal(opened.size, bytes.length);
  if (opened.whole !== undefined) assert.deepEqual(Buffer.from(opened.whole), bytes);
  return bytes;
}

export function settle(
  spool: Spool,
  claimed: ClaimedMessage,
  changes: readonly RecipientChange[],
  more: Partial<Parameters<Spool["settle"]>[0]> = {},
): Promise<boolean> {
  const { message, token } = claimed;
  return spool.settle({ message: message.id, token, changes, reports: [], events: [], ...more });
}

export function isSpoolError(code: SpoolError["code"]): (error: unknown) => boolean {
  return (error) => error instanceof SpoolError && error.code === code;
}

export const delivered = (index: number): RecipientChange => ({ index, to: "delivered", reply: "250 2.0.0 ok" });

export function deferred(
  index: number,
  due: number,
  more: { readonly warned?: true; readonly uncounted?: true } = {},
): RecipientChange {
  return { index, to: "scheduled", due, reply: "451 4.3.0 later", ...more };
}

export function spoolContract(name: string, makeHarness: () => Promise<SpoolHarness>): void {
  const check: Check = (title, body) => {
    test(title, async () => {
      await using harness = await makeHarness();
      await body(harness);
    });
  };

  describe(`${name}: accepting`, () => {
    check("a committed message is there whole: message, recipients, first event, content", async ({ spool, clock }) => {
      const message = draft(["ann@a.test", recipient("bob@b.test", { acceptedAs: "info@a.test", notify: ["NEVER"] })], {
        envelopeId: "QQ+2B314159",
        ret: "HDRS",
        tags: ["shop"],
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        reversePath: "",
      });
      await put(spool, message, { content: "Subject: x\r\n\r\n\u0000\xff" });
      const { recipients: given, ...rest } = message;
      const found = await spool.message(message.id);
      assert.deepEqual(found?.message, { ...rest, size: 17 });
      const stored = { message: message.id, state: "scheduled", due: clock.now(), attempts: 0, warned: false };
      assert.deepEqual(
        found?.recipients,
        given.map((one, index) => ({ ...one, ...stored, index })),
      );
      assert.deepEqual(await spool.events(message.id), [accepted(message, 17)]);
      assert.deepEqual(await contentOf(spool, message.id), Buffer.from("Subject: x\r\n\r\n\u0000\xff"));
      assert.deepEqual(await spool.stats(), { scheduled: 2, claimed: 0, held: 0, oldestSeconds: 0 });
    });

    check("before the commit nothing is visible, after it everything is", async ({ spool }) => {
      const message = draft(["ann@a.test"]);
      await using writer = spool.begin();
      await writer.append(Buffer.from("Subject: x\r\n"));
      assert.equal(writer.size, 12);
      assert.deepEqual(await spool.claim(request()), []);
      assert.deepEqual(await spool.find({}, { limit: 10 }), []);
      assert.equal(await spool.message(message.id), undefined);
      const { message: stored, claimed } = await writer.commit(message, { events: [] });
      assert.equal(stored.size, 12);
      assert.equal(claimed, undefined);
      assert.equal((await spool.find({}, { limit: 10 })).length, 1);
    });

    check("an aborted message leaves nothing, nor does one that is only disposed", async ({ spool }) => {
      for (const size of [10, 600_000]) {
        const aborted = spool.begin();
        await aborted.append(Buffer.alloc(size));
        await aborted.abort();
        await aborted.abort();
        await assert.rejects(aborted.commit(draft(["ann@a.test"]), { events: [] }), isSpoolError("failed"));
        await using disposed = spool.begin();
        await disposed.append(Buffer.alloc(size));
      }
      assert.deepEqual(await spool.find({}, { limit: 10 }), []);
      assert.deepEqual(await spool.stats(), { scheduled: 0, claimed: 0, held: 0, oldestSeconds: 0 });
    });

    check("a second commit of one writer is refused", async ({ spool }) => {
      const writer = spool.begin();
      await writer.append(Buffer.from("x"));
      const message = draft(["ann@a.test"]);
      await writer.commit(message, { events: [] });
      await assert.rejects(writer.commit(draft(["ann@a.test"]), { events: [] }), isSpoolError("failed"));
      assert.deepEqual(await contentOf(spool, message.id), Buffer.from("x"));
    });

    check("a queue id that is taken is refused, and the first message stays as it was", async ({ spool }) => {
      const message = draft(["ann@a.test"]);
      await put(spool, message, { content: "first" });
      const second = { ...message, recipients: [recipient("eve@e.test")] };
      const results = await Promise.allSettled([put(spool, second), put(spool, draft(["bob@b.test"]))]);
      assert.deepEqual(
        results.map(({ status }) => status),
        ["rejected", "fulfilled"],
      );
      assert.deepEqual(await contentOf(spool, message.id), Buffer.from("first"));
      assert.equal((await recipientsOf(spool, message.id))[0]?.address, "ann@a.test");
      assert.equal((await spool.events(message.id)).length, 1);
    });

    check("a message without a recipient is refused", async ({ spool }) => {
      await assert.rejects(put(spool, draft([])), isSpoolError("failed"));
    });

    check("content of every size comes back as it was given, in whatever pieces", async ({ spool }) => {
      const random = new SeededRandom(11);
      for (const size of [0, 1, 4096, 262_143, 262_144, 262_145, 700_000, 3_000_000]) {
        const whole = Buffer.alloc(size);
        for (let at = 0; at + 4 <= size; at += 4) whole.writeUInt32LE(Math.floor(random.next() * 2 ** 32), at);
        const message = draft(["ann@a.test"]);
        await using writer = spool.begin();
        for (let at = 0; at < size;) {
          const length = 1 + Math.floor(random.next() * 100_000);
          // The writer may keep what it is given, so it gets its own copy.
          const waiting = writer.append(Buffer.from(whole.subarray(at, at + length)));
          if (size <= 262_144) assert.equal(waiting, undefined, "small content never makes the caller wait");
          await waiting;
          at += length;
        }
        assert.equal(writer.size, size);
        const { message: stored } = await writer.commit(message, { events: [] });
        assert.equal(stored.size, size);
        const back = await contentOf(spool, message.id);
        assert.ok(back?.equals(whole), `${size} octets`);
      }
    });

    check("appends that nobody waits for still arrive in order", async ({ spool }) => {
      const writer = spool.begin();
      const parts = Array.from({ length: 40 }, (_, part) => Buffer.alloc(50_000, part));
      const waits = parts.map((part) => writer.append(part));
      const message = draft(["ann@a.test"]);
      await writer.commit(message, { events: [] });
      await Promise.all(waits);
      assert.ok((await contentOf(spool, message.id))?.equals(Buffer.concat(parts)));
    });

    check("content can be opened twice at once", async ({ spool }) => {
      const message = draft(["ann@a.test"]);
      await put(spool, message, { content: Buffer.alloc(900_000, "ab") });
      const both = await Promise.all([contentOf(spool, message.id), contentOf(spool, message.id)]);
      for (const one of both) assert.ok(one?.equals(Buffer.alloc(900_000, "ab")));
      assert.equal(await spool.openContent(ids.next()), undefined);
    });

    check("recipients may begin held, or not be due yet", async ({ spool, clock }) => {
      const later = clock.now() + 3_600_000;
      const held = { by: "policy", reason: "loop breaker" };
      const message = draft([recipient("a@a.test", { held }), recipient("b@b.test", { due: later }), "c@c.test"]);
      const claimed = await put(spool, message, { claim: terms });
      assert.deepEqual(
        claimed?.recipients.map(({ address }) => address),
        ["c@c.test"],
      );
      const [first, second] = await recipientsOf(spool, message.id);
      assert.equal(first?.state, "held");
      assert.deepEqual(first?.held, held);
      assert.equal(second?.state, "scheduled");
      assert.equal(second?.due, later);
      assert.deepEqual(await spool.stats(), { scheduled: 1, claimed: 1, held: 1, oldestSeconds: 0 });
    });

    check("a commit with a claim hands back what is due, with attempt and next due time recorded", async (harness) => {
      const { spool, clock } = harness;
      const message = draft(["ann@a.test", "bob@b.test"]);
      const claimed = await put(spool, message, { claim: terms });
      assert.ok(claimed);
      assert.equal(claimed.leaseEnd, clock.now() + 60_000);
      assert.equal(claimed.message.id, message.id);
      assert.equal(claimed.message.headerBlock, message.headerBlock);
      assert.deepEqual(claimed.recipients, await recipientsOf(spool, message.id));
      for (const { state, attempts, due } of claimed.recipients) {
        assert.deepEqual([state, attempts, due], ["claimed", 1, clock.now() + 300_000]);
      }
      assert.deepEqual(await spool.claim(request()), []);
      assert.equal(await settle(spool, claimed, [delivered(0), delivered(1)]), true);
    });

    check("a commit with a claim and nothing due hands back no claim", async ({ spool, clock }) => {
      const claimed = await put(spool, draft([recipient("b@b.test", { due: clock.now() + 1 })]), { claim: terms });
      assert.equal(claimed, undefined);
    });

    check("many commits at once all come back, each with its own content", async ({ spool }) => {
      const messages = Array.from({ length: 200 }, (_, count) => draft([`user${count}@a.test`]));
      const claims = await Promise.all(
        messages.map((message, count) => put(spool, message, { content: `number ${count}`, claim: terms })),
      );
      assert.equal(new Set(claims.map((claimed) => claimed?.token)).size, 200);
      for (const [count, { id }] of messages.entries()) {
        assert.deepEqual(await contentOf(spool, id), Buffer.from(`number ${count}`));
      }
      assert.equal((await spool.stats()).claimed, 200);
    });
  });

  describe(`${name}: claiming`, () => {
    check("due recipients come oldest due first, grouped by message, recipients in order", async (harness) => {
      const { spool, clock } = harness;
      const now = clock.now();
      const at = (address: string, due: number) => recipient(address, { due });
      const first = draft([at("a@a.test", now - 10), at("b@b.test", now - 40), at("c@c.test", now + 10)]);
      const second = draft([at("d@d.test", now - 30)]);
      const third = draft([at("e@e.test", now - 20), at("f@f.test", now)]);
      for (const message of [first, second, third]) await put(spool, message);
      const claimed = await spool.claim(request());
      assert.deepEqual(
        claimed.map(({ message, recipients }) => [message.id, ...recipients.map(({ address }) => address)]),
        [
          [first.id, "a@a.test", "b@b.test"],
          [second.id, "d@d.test"],
          [third.id, "e@e.test", "f@f.test"],
        ],
      );
      assert.equal(new Set(claimed.map(({ token }) => token)).size, 3);
      assert.deepEqual(await statesOf(spool, first.id), ["claimed", "claimed", "scheduled"]);
      assert.deepEqual(claimed[0]?.message, (await spool.message(first.id))?.message);
    });

    check("the limit counts recipients, and the next page goes on where this one ended", async ({ spool, clock }) => {
      const now = clock.now();
      for (let count = 0; count < 5; count++) {
        await put(
          spool,
          draft([0, 1, 2].map((part) => recipient(`u@d${count}-${part}.test`, { due: now - 100 + count * 3 + part }))),
        );
      }
      const seen: string[] = [];
      for (;;) {
        const page = (await spool.claim(request({ limit: 4 }))).flatMap(({ recipients }) => recipients);
        if (page.length === 0) break;
        assert.ok(page.length === 4 || seen.length === 12);
        seen.push(...page.map(({ domain }) => domain));
      }
      assert.deepEqual(
        seen,
        [0, 1, 2, 3, 4].flatMap((count) => [0, 1, 2].map((part) => `d${count}-${part}.test`)),
      );
    });

    check("one domain cannot fill a page", async ({ spool, clock }) => {
      const old = clock.now() - 1000;
      await put(spool, draft(Array.from({ length: 50 }, (_, n) => recipient(`u${n}@flood.test`, { due: old }))));
      await put(spool, draft(["ann@a.test", "bob@b.test"]));
      const page = (await spool.claim(request({ limit: 10, perDomainMax: 3 }))).flatMap(({ recipients }) => recipients);
      assert.deepEqual(
        page.map(({ address }) => address),
        ["u0@flood.test", "u1@flood.test", "u2@flood.test", "ann@a.test", "bob@b.test"],
      );
    });

    check("excluded domains are passed over, by claim and by nextDue", async ({ spool, clock }) => {
      const now = clock.now();
      await put(spool, draft(Array.from({ length: 30 }, (_, n) => recipient(`u${n}@dead.test`, { due: now - 50 }))));
      await put(spool, draft([recipient("x@gone.test", { due: now - 40 })]));
      await put(spool, draft([recipient("ann@a.test", { due: now - 30 })]));
      await put(spool, draft([recipient("later@a.test", { due: now + 30 })]));
      const excludeDomains = ["dead.test", "gone.test"];
      assert.equal(await spool.nextDue([]), now - 50);
      assert.equal(await spool.nextDue(["dead.test"]), now - 40);
      assert.equal(await spool.nextDue(excludeDomains), now - 30);
      const page = (await spool.claim(request({ excludeDomains }))).flatMap(({ recipients }) => recipients);
      assert.deepEqual(
        page.map(({ address }) => address),
        ["ann@a.test"],
      );
      assert.equal(await spool.nextDue(excludeDomains), now + 30);
    });

    check("what is not due is not claimed until it is", async ({ spool, clock }) => {
      const due = clock.now() + 5000;
      await put(spool, draft([recipient("ann@a.test", { due })]));
      assert.deepEqual(await spool.claim(request()), []);
      assert.equal(await spool.nextDue([]), due);
      await clock.advance(4999);
      assert.deepEqual(await spool.claim(request()), []);
      await clock.advance(1);
      assert.equal((await spool.claim(request())).length, 1);
    });

    check("attempts count and the recorded next due time follows the schedule, the last repeating", async (harness) => {
      const { spool, clock } = harness;
      let claimed = await putClaimed(spool, ["ann@a.test"]);
      for (const [attempts, delay] of [
        [1, 300_000],
        [2, 600_000],
        [3, 600_000],
      ] as const) {
        assert.equal(claimed.recipients[0]?.attempts, attempts);
        assert.equal(claimed.recipients[0]?.due, clock.now() + delay);
        assert.equal(await settle(spool, claimed, [deferred(0, clock.now() + 1000)]), true);
        await clock.advance(1000);
        const [next] = await spool.claim(request());
        assert.ok(next);
        claimed = next;
      }
    });

    check("nextDue tells of the end of the earliest lease, and of nothing in an empty spool", async (harness) => {
      const { spool, clock } = harness;
      assert.equal(await spool.nextDue([]), undefined);
      await putClaimed(spool, ["ann@a.test"]);
      assert.equal(await spool.nextDue([]), clock.now() + 60_000);
      await put(spool, draft([recipient("bob@b.test", { due: clock.now() + 10 })]));
      assert.equal(await spool.nextDue([]), clock.now() + 10);
      assert.equal(await spool.nextDue(["b.test"]), clock.now() + 60_000);
    });

    check("a claim without a retry schedule is refused and changes nothing", async ({ spool }) => {
      const message = draft(["ann@a.test"]);
      await put(spool, message);
      await assert.rejects(spool.claim(request({ retryDelaysMs: [] })));
      assert.deepEqual(await statesOf(spool, message.id), ["scheduled"]);
      assert.equal((await spool.claim(request())).length, 1);
      const fresh = draft(["bob@b.test"]);
      await assert.rejects(put(spool, fresh, { claim: { leaseMs: 1, retryDelaysMs: [] } }));
      assert.equal(await spool.message(fresh.id), undefined);
    });
  });

  describe(`${name}: leases and tokens`, () => {
    check("a first attempt whose lease ends is due at once, and counts", async ({ spool, clock }) => {
      const first = await putClaimed(spool, ["ann@a.test"]);
      await clock.advance(60_000);
      const [second] = await spool.claim(request());
      assert.ok(second);
      assert.equal(second.message.id, first.message.id);
      assert.equal(second.recipients[0]?.attempts, 2);
      assert.notEqual(second.token, first.token);
    });

    check("a later attempt whose lease ends waits for the time its claim recorded", async ({ spool, clock }) => {
      const start = clock.now();
      await putClaimed(spool, ["ann@a.test"]);
      await clock.advance(60_000);
      await spool.claim(request());
      await clock.advance(60_000);
      assert.deepEqual(await spool.claim(request()), []);
      assert.equal(await spool.nextDue([]), start + 60_000 + 600_000);
      assert.deepEqual(await spool.stats(), { scheduled: 1, claimed: 0, held: 0, oldestSeconds: 120 });
    });

    check("a lost lease cannot settle: the token is stale and nothing is changed", async ({ spool, clock }) => {
      const first = await putClaimed(spool, ["ann@a.test"]);
      await clock.advance(60_000);
      const [second] = await spool.claim(request());
      assert.ok(second);
      const report = { message: draft(["sender@origin.test"], { reversePath: "" }), content: Buffer.from("report") };
      const stale = await settle(spool, first, [delivered(0)], {
        reports: [report],
        events: [accepted(report.message)],
        records: [{ kind: "put", namespace: "n", key: "k", value: 1 }],
      });
      assert.equal(stale, false);
      assert.deepEqual(await statesOf(spool, first.message.id), ["claimed"]);
      assert.equal(await spool.message(report.message.id), undefined);
      assert.deepEqual(await spool.events(report.message.id), []);
      assert.equal(await spool.getRecord("n", "k"), undefined);
      assert.equal(await settle(spool, second, [delivered(0)]), true);
      assert.equal(await settle(spool, second, [delivered(0)]), false);
    });

    check("a token settles only its own message and recipients", async ({ spool, clock }) => {
      const other = await putClaimed(spool, ["bob@b.test"]);
      const due = clock.now() + 1;
      const claimed = await putClaimed(spool, ["ann@a.test", recipient("cat@c.test", { due })]);
      assert.equal(await settle(spool, claimed, [delivered(0), delivered(1)]), false);
      assert.equal(await settle(spool, { ...claimed, token: other.token }, [delivered(0)]), false);
      assert.equal(await settle(spool, claimed, [delivered(7)]), false);
      assert.deepEqual(await statesOf(spool, claimed.message.id), ["claimed", "scheduled"]);
    });

    check("renewed leases last; tokens no longer valid are told", async ({ spool, clock }) => {
      const kept = await putClaimed(spool, ["ann@a.test"]);
      const lost = await putClaimed(spool, ["bob@b.test"]);
      const settled = await putClaimed(spool, ["cat@c.test"]);
      await settle(spool, settled, [delivered(0)]);
      await clock.advance(59_000);
      assert.deepEqual(await spool.renew([kept.token, settled.token, 123_456_789], 60_000), [
        settled.token,
        123_456_789,
      ]);
      await clock.advance(1000);
      const page = await spool.claim(request());
      assert.deepEqual(
        page.map(({ message }) => message.id),
        [lost.message.id],
      );
      assert.deepEqual(await spool.renew([lost.token, kept.token], 60_000), [lost.token]);
      assert.equal(await settle(spool, kept, [delivered(0)]), true);
    });

    check("a claim may be settled in parts; its lease covers the rest", async ({ spool, clock }) => {
      const claimed = await putClaimed(spool, ["ann@a.test", "bob@b.test", "cat@c.test"]);
      assert.equal(await settle(spool, claimed, [delivered(1)]), true);
      assert.deepEqual(await statesOf(spool, claimed.message.id), ["claimed", "delivered", "claimed"]);
      assert.equal(await settle(spool, claimed, [delivered(1)]), false);
      assert.equal(await settle(spool, claimed, [deferred(0, clock.now() + 9)]), true);
      assert.deepEqual(await spool.renew([claimed.token], 60_000), []);
      assert.equal(await settle(spool, claimed, [delivered(2)]), true);
      assert.deepEqual(await spool.renew([claimed.token], 60_000), [claimed.token]);
      assert.deepEqual(await statesOf(spool, claimed.message.id), ["scheduled", "delivered", "delivered"]);
    });
  });

  describe(`${name}: settling`, () => {
    check("each outcome is kept with its reply and time", async ({ spool, clock }) => {
      const claimed = await putClaimed(spool, ["a@a.test", "b@b.test", "c@c.test", "d@d.test", "e@e.test", "f@f.test"]);
      await clock.advance(1000);
      const due = clock.now() + 77_000;
      const ok = await settle(spool, claimed, [
        { index: 0, to: "delivered", reply: "delivered to mailbox" },
        { index: 1, to: "relayed", reply: "250 2.0.0 Ok: queued" },
        { index: 2, to: "failed", reply: "550 5.1.1 nobody" },
        { index: 3, to: "expired", reply: "451 4.4.1 too late" },
        { index: 4, to: "scheduled", due, reply: "451 4.7.1 grey", warned: true },
        { index: 5, to: "held", by: "queue", reason: "loop" },
      ]);
      assert.equal(ok, true);
      const got = await recipientsOf(spool, claimed.message.id);
      assert.deepEqual(
        got.map(({ state, lastReply, finalAt, warned }) => [state, lastReply, finalAt, warned]),
        [
          ["delivered", "delivered to mailbox", clock.now(), false],
          ["relayed", "250 2.0.0 Ok: queued", clock.now(), false],
          ["failed", "550 5.1.1 nobody", clock.now(), false],
          ["expired", "451 4.4.1 too late", clock.now(), false],
          ["scheduled", "451 4.7.1 grey", undefined, true],
          ["held", undefined, undefined, false],
        ],
      );
      assert.equal(got[4]?.due, due);
      assert.deepEqual(got[5]?.held, { by: "queue", reason: "loop" });
      assert.deepEqual(await spool.stats(), { scheduled: 1, claimed: 0, held: 1, oldestSeconds: 1 });
    });

    check("outcome, report, events and records are one transaction, and the report is due at once", async (harness) => {
      const { spool, clock } = harness;
      const claimed = await putClaimed(spool, ["ann@a.test"]);
      const message = draft(["sender@origin.test"], { reversePath: "", reportOn: claimed.message.id });
      const failed: HistoryEvent = {
        kind: "report-queued",
        at: clock.now(),
        message: claimed.message.id,
        report: message.id,
        action: "failed",
        recipients: ["ann@a.test"],
      };
      const ok = await settle(spool, claimed, [{ index: 0, to: "failed", reply: "550 no" }], {
        reports: [{ message, content: Buffer.from("You wrote to ann, who is not there.") }],
        events: [failed, accepted(message)],
        records: [{ kind: "put", namespace: "suppression", key: "ann@a.test", value: { since: 1 } }],
      });
      assert.equal(ok, true);
      assert.equal(await contentOf(spool, claimed.message.id), undefined);
      assert.deepEqual((await spool.events(claimed.message.id)).at(-1), failed);
      assert.deepEqual(await spool.events(message.id), [accepted(message)]);
      assert.deepEqual(await spool.getRecord("suppression", "ann@a.test"), { since: 1 });
      const [report] = await spool.claim(request());
      assert.equal(report?.message.reportOn, claimed.message.id);
      assert.equal(report?.message.size, 35);
      assert.deepEqual(await contentOf(spool, message.id), Buffer.from("You wrote to ann, who is not there."));
    });

    check("a settlement that cannot be kept whole keeps nothing", async ({ spool }) => {
      const taken = draft(["bob@b.test"]);
      await put(spool, taken);
      const claimed = await putClaimed(spool, ["ann@a.test"]);
      const fresh = draft(["sender@origin.test"]);
      const content = Buffer.from("report");
      const [settled, other] = await Promise.allSettled([
        settle(spool, claimed, [delivered(0)], {
          reports: [
            { message: fresh, content },
            { message: taken, content },
          ],
          events: [accepted(fresh)],
        }),
        put(spool, draft(["cat@c.test"])),
      ]);
      assert.equal(settled.status, "rejected");
      assert.equal(other.status, "fulfilled", "what shared its batch is not spoiled");
      assert.equal(await spool.message(fresh.id), undefined);
      assert.deepEqual(await spool.events(fresh.id), []);
      assert.deepEqual(await statesOf(spool, claimed.message.id), ["claimed"]);
      await assert.rejects(settle(spool, claimed, [delivered(0), delivered(0)]), isSpoolError("failed"));
      assert.equal(await settle(spool, claimed, [delivered(0)]), true);
      assert.deepEqual(await spool.stats(), { scheduled: 2, claimed: 0, held: 0, oldestSeconds: 0 });
    });

    check("content stays until the last recipient is final, and goes with it", async ({ spool, clock }) => {
      for (const size of [2000, 400_000]) {
        const message = draft(["a@a.test", "b@b.test", "c@c.test"]);
        const claimed = await put(spool, message, { content: Buffer.alloc(size, "x"), claim: terms });
        assert.ok(claimed);
        await settle(spool, claimed, [delivered(0), deferred(1, clock.now())]);
        assert.equal((await contentOf(spool, message.id))?.length, size);
        await settle(spool, claimed, [{ index: 2, to: "held", by: "t", reason: "r" }]);
        const [again] = await spool.claim(request());
        assert.ok(again);
        await settle(spool, again, [delivered(1)]);
        assert.equal((await contentOf(spool, message.id))?.length, size);
        assert.equal(await spool.remove({ message: message.id, states: ["held"] }, "operator"), 1);
        assert.equal(await contentOf(spool, message.id), undefined);
        assert.deepEqual(await statesOf(spool, message.id), ["delivered", "delivered", "removed"]);
      }
    });

    check("an attempt that did not happen is not counted; a delay report is remembered", async ({ spool, clock }) => {
      const claimed = await putClaimed(spool, ["ann@a.test"]);
      await settle(spool, claimed, [deferred(0, clock.now(), { warned: true })]);
      const [second] = await spool.claim(request());
      assert.ok(second);
      assert.equal(second.recipients[0]?.attempts, 2);
      assert.equal(second.recipients[0]?.warned, true);
      await settle(spool, second, [deferred(0, clock.now(), { uncounted: true })]);
      const [third] = await spool.claim(request());
      assert.equal(third?.recipients[0]?.attempts, 2);
      assert.equal(third?.recipients[0]?.warned, true);
      assert.equal(third?.recipients[0]?.lastReply, "451 4.3.0 later");
    });

    check("a settlement without changes still keeps its events while the claim lasts", async ({ spool }) => {
      const claimed = await putClaimed(spool, ["ann@a.test"]);
      const event: HistoryEvent = {
        kind: "report-withheld",
        at: 1,
        message: claimed.message.id,
        reason: "null reverse-path",
        recipients: ["ann@a.test"],
      };
      assert.equal(await settle(spool, claimed, [], { events: [event] }), true);
      assert.deepEqual((await spool.events(claimed.message.id)).at(-1), event);
      await settle(spool, claimed, [delivered(0)]);
      assert.equal(await settle(spool, claimed, [], { events: [event] }), false);
    });
  });

  operatorContract(name, check);
  recordContract(name, check);
  lifetimeContract(name, check);
}

type Check = (title: string, body: (harness: SpoolHarness) => Promise<void>) => void;

function operatorContract(name: string, check: Check): void {
  describe(`${name}: operators`, () => {
    check("hold, release, retry and remove move what the filter selects, with an event each", async (harness) => {
      const { spool, clock } = harness;
      const later = clock.now() + 1_000_000;
      const at = (address: string) => recipient(address, { due: later });
      const first = draft([at("ann@a.test"), at("bob@b.test")]);
      const second = draft([at("cat@a.test")], { reversePath: "Other@Origin.test" });
      for (const message of [first, second]) await put(spool, message, { events: [] });
      assert.equal(await spool.hold({ domain: "a.test" }, "operator", "investigating"), 2);
      assert.deepEqual(await statesOf(spool, first.id), ["held", "scheduled"]);
      assert.deepEqual((await recipientsOf(spool, first.id))[0]?.held, { by: "operator", reason: "investigating" });
      assert.equal(await spool.hold({ domain: "a.test" }, "operator", "again"), 0);
      assert.equal(await spool.retry({ domain: "a.test" }, "operator"), 0);
      assert.equal(await spool.release({ from: "other@origin.test" }, "operator"), 1);
      const [released] = await recipientsOf(spool, second.id);
      assert.deepEqual([released?.state, released?.due, released?.held], ["scheduled", clock.now(), undefined]);
      assert.equal(await spool.retry({ message: first.id }, "operator"), 1);
      assert.equal((await recipientsOf(spool, first.id))[1]?.due, clock.now());
      assert.equal(await spool.remove({ to: "ANN@a.test" }, "operator"), 1);
      const [removed] = await recipientsOf(spool, first.id);
      assert.deepEqual([removed?.state, removed?.finalAt, removed?.held], ["removed", clock.now(), undefined]);
      const common = { at: clock.now(), message: first.id, by: "operator" };
      assert.deepEqual(await spool.events(first.id), [
        { ...common, kind: "recipient-held", recipient: 0, address: "ann@a.test", reason: "investigating" },
        { ...common, kind: "recipient-retried", recipient: 1, address: "bob@b.test" },
        { ...common, kind: "recipient-removed", recipient: 0, address: "ann@a.test" },
      ]);
      assert.deepEqual(
        (await spool.events(second.id)).map(({ kind }) => kind),
        ["recipient-held", "recipient-released"],
      );
      assert.deepEqual(await spool.stats(), { scheduled: 2, claimed: 0, held: 0, oldestSeconds: 0 });
    });

    check("what is being attempted is left to its attempt", async ({ spool }) => {
      const claimed = await putClaimed(spool, ["ann@a.test"]);
      assert.equal(await spool.hold({}, "o", "r"), 0);
      assert.equal(await spool.remove({}, "o"), 0);
      assert.equal(await spool.retry({ states: ["claimed"] }, "o"), 0);
      assert.equal(await settle(spool, claimed, [delivered(0)]), true);
      assert.equal(await spool.remove({ states: ["delivered"] }, "o"), 0, "what is final stays so");
    });

    check("held recipients are not due until released", async ({ spool, clock }) => {
      await put(spool, draft(["ann@a.test"]));
      await spool.hold({}, "operator", "wait");
      assert.deepEqual(await spool.claim(request()), []);
      assert.equal(await spool.nextDue([]), undefined);
      await clock.advance(86_400_000);
      assert.equal(await spool.release({}, "operator"), 1);
      assert.equal((await spool.claim(request())).length, 1);
    });

    check("removing the last recipient closes the message", async ({ spool }) => {
      const message = draft(["ann@a.test", "bob@b.test"]);
      await put(spool, message);
      assert.equal(await spool.remove({ message: message.id }, "operator"), 2);
      assert.equal(await contentOf(spool, message.id), undefined);
      assert.deepEqual(await spool.stats(), { scheduled: 0, claimed: 0, held: 0, oldestSeconds: 0 });
    });

    check("bulk verbs reach every recipient of a long queue", async ({ spool, clock }) => {
      const later = clock.now() + 1_000_000;
      for (let count = 0; count < 12; count++) {
        const many = Array.from({ length: 250 }, (_, n) => recipient(`u${n}@d${n % 7}.test`, { due: later }));
        await put(spool, draft(many));
      }
      assert.equal(await spool.hold({}, "operator", "all"), 3000);
      assert.equal((await spool.stats()).held, 3000);
      assert.equal(await spool.release({ domain: "d3.test" }, "operator"), 12 * 36);
      assert.equal(await spool.remove({}, "operator"), 3000);
      assert.deepEqual(await spool.stats(), { scheduled: 0, claimed: 0, held: 0, oldestSeconds: 0 });
    });

    check("find gives the newest first, in pages, and by default only what is not final", async ({ spool }) => {
      const messages = [];
      for (let count = 0; count < 5; count++) {
        const message = draft([`a${count}@a.test`, `b${count}@b.test`], { reversePath: `s${count % 2}@origin.test` });
        messages.push(message);
        await put(spool, message);
      }
      const final = await putClaimed(spool, ["done@a.test"]);
      await settle(spool, final, [delivered(0)]);
      const all: string[] = [];
      let after: { message: string; index: number } | undefined;
      for (;;) {
        const page = await spool.find({}, after === undefined ? { limit: 3 } : { limit: 3, after });
        const last = page.at(-1);
        if (last === undefined) break;
        all.push(...page.map(({ recipient: { address } }) => address));
        after = { message: last.message.id, index: last.recipient.index };
      }
      assert.deepEqual(
        all,
        [4, 3, 2, 1, 0].flatMap((count) => [`a${count}@a.test`, `b${count}@b.test`]),
      );
      const addresses = async (filter: Parameters<Spool["find"]>[0]) =>
        (await spool.find(filter, { limit: 100 })).map(({ recipient: { address } }) => address);
      assert.deepEqual(await addresses({ states: ["delivered"] }), ["done@a.test"]);
      assert.deepEqual(await addresses({ states: ["delivered", "scheduled"], domain: "a.test" }), [
        "done@a.test",
        "a4@a.test",
        "a3@a.test",
        "a2@a.test",
        "a1@a.test",
        "a0@a.test",
      ]);
      assert.deepEqual(await addresses({ from: "S1@origin.test", domain: "B.TEST" }), ["b3@b.test", "b1@b.test"]);
      assert.deepEqual(await addresses({ to: "A2@a.test" }), ["a2@a.test"]);
      assert.deepEqual(await addresses({ message: final.message.id }), []);
      assert.deepEqual(await addresses({ message: messages[1]?.id ?? "", states: ["scheduled"] }), [
        "a1@a.test",
        "b1@b.test",
      ]);
      assert.deepEqual(await addresses({ message: "no such id" }), []);
      assert.deepEqual(await addresses({ states: [] }), []);
    });

    check("find matches the address a recipient was accepted as", async ({ spool }) => {
      await put(spool, draft([recipient("ann@a.test", { acceptedAs: "info@a.test" })]));
      assert.equal((await spool.find({ to: "Info@a.test" }, { limit: 5 })).length, 1);
    });

    check("a page can go on after a row that has been pruned since", async ({ spool, clock }) => {
      const old = draft(["old@a.test"]);
      await put(spool, old);
      const claimed = await putClaimed(spool, ["done@a.test"]);
      await settle(spool, claimed, [delivered(0)]);
      await put(spool, draft(["new@a.test"]));
      await clock.advance(1000);
      while ((await spool.prune(clock.now(), 100)) > 0);
      const page = await spool.find({}, { limit: 5, after: { message: claimed.message.id, index: 0 } });
      assert.deepEqual(
        page.map(({ recipient: { address } }) => address),
        ["old@a.test"],
      );
    });

    check("stats tell the age of the oldest message that is not final", async ({ spool, clock }) => {
      const first = draft(["ann@a.test"], { receivedAt: clock.now() });
      const claimed = await put(spool, first, { claim: terms });
      assert.ok(claimed);
      await clock.advance(10_000);
      await put(spool, draft(["bob@b.test"], { receivedAt: clock.now() }));
      await clock.advance(5_500);
      assert.equal((await spool.stats()).oldestSeconds, 15);
      await settle(spool, claimed, [delivered(0)]);
      assert.equal((await spool.stats()).oldestSeconds, 5);
    });

    check("events come back in the order in which they were written", async ({ spool, clock }) => {
      const claimed = await putClaimed(spool, ["ann@a.test"]);
      const note = (reason: string): HistoryEvent => ({
        kind: "report-withheld",
        at: clock.now(),
        message: claimed.message.id,
        reason,
        recipients: [],
      });
      await settle(spool, claimed, [], { events: [note("2"), note("1")] });
      await settle(spool, claimed, [], { events: [note("0")] });
      const reasons = (await spool.events(claimed.message.id)).map((event) =>
        event.kind === "report-withheld" ? event.reason : event.kind,
      );
      assert.deepEqual(reasons, ["message-accepted", "2", "1", "0"]);
      assert.deepEqual(await spool.events("no such id"), []);
    });
  });
}

function recordContract(name: string, check: Check): void {
  describe(`${name}: records`, () => {
    check("values are put, replaced, read, deleted and cleared by namespace", async ({ spool }) => {
      const value = { since: 1, text: "ü", list: [1, null, true] };
      await spool.changeRecords([
        { kind: "put", namespace: "a", key: "k", value },
        { kind: "put", namespace: "a", key: "l", value: "old" },
        { kind: "put", namespace: "a", key: "l", value: "new" },
        { kind: "put", namespace: "b", key: "k", value: 7 },
      ]);
      assert.deepEqual(await spool.getRecord("a", "k"), value);
      assert.equal(await spool.getRecord("a", "l"), "new");
      assert.equal(await spool.getRecord("a", "none"), undefined);
      await spool.changeRecords([{ kind: "delete", namespace: "a", key: "k" }]);
      assert.equal(await spool.getRecord("a", "k"), undefined);
      await spool.changeRecords([{ kind: "clear", namespace: "a" }]);
      assert.deepEqual(await spool.listRecords("a", { limit: 10 }), []);
      assert.equal(await spool.getRecord("b", "k"), 7);
    });

    check("records are listed in the order of their keys, in pages", async ({ spool }) => {
      const keys = ["b", "a", "B", "", "ü", "a\u0000", "\u{1f4ee}", "\uffee"];
      await spool.changeRecords(keys.map((key) => ({ kind: "put", namespace: "n", key, value: key })));
      const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      const first = await spool.listRecords("n", { limit: 3 });
      const rest = await spool.listRecords("n", { limit: 100, after: first.at(-1)?.key ?? "" });
      assert.deepEqual(
        [...first, ...rest].map(({ key }) => key),
        sorted,
      );
      assert.deepEqual(
        [...first, ...rest].map(({ value }) => value),
        sorted,
      );
    });

    check("an expired record is gone, and may be put again", async ({ spool, clock }) => {
      const put1 = { kind: "put", namespace: "n", key: "k", value: 1, expiresAt: clock.now() + 1000 } as const;
      await spool.changeRecords([put1, { kind: "put", namespace: "n", key: "l", value: 2 }]);
      await clock.advance(999);
      assert.equal(await spool.getRecord("n", "k"), 1);
      await clock.advance(1);
      assert.equal(await spool.getRecord("n", "k"), undefined);
      assert.deepEqual(await spool.listRecords("n", { limit: 10 }), [{ key: "l", value: 2 }]);
      await spool.changeRecords([{ ...put1, value: 3, expiresAt: clock.now() + 1 }]);
      assert.equal(await spool.getRecord("n", "k"), 3);
    });
  });
}

function lifetimeContract(name: string, check: Check): void {
  describe(`${name}: lifetime`, () => {
    check("prune removes what has been final long enough, in bounded steps, and nothing else", async (harness) => {
      const { spool, clock } = harness;
      const old: string[] = [];
      for (let count = 0; count < 20; count++) {
        const claimed = await putClaimed(spool, ["ann@a.test"]);
        old.push(claimed.message.id);
        await settle(spool, claimed, [delivered(0)]);
      }
      const open = draft(["bob@b.test"]);
      await put(spool, open);
      await spool.changeRecords([
        { kind: "put", namespace: "n", key: "short", value: 1, expiresAt: clock.now() + 5 },
        { kind: "put", namespace: "n", key: "long", value: 1, expiresAt: clock.now() + 5_000_000 },
        { kind: "put", namespace: "n", key: "always", value: 1 },
      ]);
      await clock.advance(10_000);
      const before = clock.now();
      await clock.advance(10_000);
      const recent = await putClaimed(spool, ["cat@c.test"]);
      await settle(spool, recent, [delivered(0)]);
      let rows = 0;
      let steps = 0;
      for (let went = -1; went !== 0; steps++) {
        went = await spool.prune(before, 10);
        assert.ok(went <= 15, `${went} rows in one step`);
        rows += went;
      }
      assert.ok(steps > 4);
      assert.equal(rows, 20 * 3 + 1);
      for (const id of old) {
        assert.equal(await spool.message(id), undefined);
        assert.deepEqual(await spool.events(id), []);
      }
      assert.deepEqual(await statesOf(spool, open.id), ["scheduled"]);
      assert.deepEqual(await statesOf(spool, recent.message.id), ["delivered"]);
      assert.deepEqual(
        (await spool.listRecords("n", { limit: 10 })).map(({ key }) => key),
        ["always", "long"],
      );
    });

    check("a crash keeps what was committed and nothing else", async (harness) => {
      const { spool, clock } = harness;
      const kept = draft(["ann@a.test"]);
      const large = draft(["big@a.test"]);
      await put(spool, kept, { content: "kept" });
      await put(spool, large, { content: Buffer.alloc(500_000, "y") });
      await spool.changeRecords([{ kind: "put", namespace: "n", key: "k", value: 1 }]);
      await using half = spool.begin();
      await half.append(Buffer.alloc(400_000));
      const restarted = await harness.crash();
      assert.deepEqual(await statesOf(restarted, kept.id), ["scheduled"]);
      assert.deepEqual(await contentOf(restarted, kept.id), Buffer.from("kept"));
      assert.ok((await contentOf(restarted, large.id))?.equals(Buffer.alloc(500_000, "y")));
      assert.deepEqual(await restarted.events(kept.id), [accepted(kept, 4)]);
      assert.equal(await restarted.getRecord("n", "k"), 1);
      assert.deepEqual(await restarted.stats(), { scheduled: 2, claimed: 0, held: 0, oldestSeconds: 0 });
      assert.equal((await restarted.find({}, { limit: 10 })).length, 2);
      assert.equal(await restarted.nextDue([]), clock.now());
    });

    check("after a crash, first attempts are due at once and later ones at the recorded time", async (harness) => {
      const { clock } = harness;
      let { spool } = harness;
      const first = await putClaimed(spool, ["ann@a.test"]);
      const again = await putClaimed(spool, ["bob@b.test"]);
      await settle(spool, again, [deferred(0, clock.now())]);
      const [second] = await spool.claim(request());
      assert.ok(second);
      await clock.advance(1000);
      spool = await harness.crash();
      assert.deepEqual(await spool.stats(), { scheduled: 2, claimed: 0, held: 0, oldestSeconds: 1 });
      const [one] = await recipientsOf(spool, first.message.id);
      assert.deepEqual([one?.state, one?.attempts, one?.due], ["scheduled", 1, clock.now()]);
      const [other] = await recipientsOf(spool, again.message.id);
      assert.deepEqual([other?.state, other?.attempts, other?.due], ["scheduled", 2, clock.now() - 1000 + 600_000]);
      const page = await spool.claim(request());
      assert.deepEqual(
        page.map(({ message }) => message.id),
        [first.message.id],
      );
      spool = await harness.crash();
      assert.deepEqual(await spool.claim(request()), [], "a second crash does not make it due again");
    });

    check("tokens of before a crash are stale after it", async (harness) => {
      const before = await putClaimed(harness.spool, ["ann@a.test"]);
      const spool = await harness.crash();
      assert.equal(await settle(spool, before, [delivered(0)]), false);
      const [now] = await spool.claim(request());
      assert.ok(now);
      assert.equal(await settle(spool, before, [delivered(0)]), false);
      assert.deepEqual(await spool.renew([before.token], 1000), [before.token]);
      assert.equal(await settle(spool, now, [delivered(0)]), true);
    });

    check("after close everything rejects with closed; what was under way is finished", async ({ spool }) => {
      const writer = spool.begin();
      await writer.append(Buffer.from("x"));
      const message = draft(["ann@a.test"]);
      const underWay = spool.begin();
      await underWay.append(Buffer.from("y"));
      const large = spool.begin();
      await large.append(Buffer.alloc(500_000));
      const committing = [
        underWay.commit(message, { events: [] }),
        large.commit(draft(["big@b.test"]), { events: [] }),
        spool.settle({ message: message.id, token: 1, changes: [], reports: [], events: [] }),
      ];
      await spool.close();
      await Promise.all(committing);
      const closed = isSpoolError("closed");
      await assert.rejects(writer.commit(draft(["bob@b.test"]), { events: [] }), closed);
      await assert.rejects(spool.claim(request()), closed);
      await assert.rejects(spool.renew([], 1), closed);
      await assert.rejects(
        spool.settle({ message: message.id, token: 1, changes: [], reports: [], events: [] }),
        closed,
      );
      await assert.rejects(spool.nextDue([]), closed);
      await assert.rejects(spool.openContent(message.id), closed);
      await assert.rejects(spool.hold({}, "o", "r"), closed);
      await assert.rejects(spool.find({}, { limit: 1 }), closed);
      await assert.rejects(spool.message(message.id), closed);
      await assert.rejects(spool.events(message.id), closed);
      await assert.rejects(spool.stats(), closed);
      await assert.rejects(spool.prune(0, 1), closed);
      await assert.rejects(spool.getRecord("n", "k"), closed);
      await assert.rejects(spool.changeRecords([]), closed);
      await spool.close();
    });
  });
}
