import assert from "node:assert/strict";
import { test } from "node:test";
import type { HistoryEvent } from "../events/history-event.ts";
import type { NotifyCondition } from "../smtp/envelope.ts";
import { MemorySpool } from "../testing/spool/memory-spool.ts";
import type { ClaimedMessage } from "../spool/spool.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { ManualClock, settle } from "../testing/manual-clock.ts";
import { intakeOfOwnMail } from "../testing/own-mail.ts";
import { deferredReply, newMessage } from "../testing/queue-fixture.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { DelayWarner } from "./delay-warner.ts";
import { Reporter } from "./reporter.ts";

const minute = 60_000;
const hour = 60 * minute;
const terms = { leaseMs: 100 * hour, retryDelaysMs: [hour] };

class World {
  readonly clock = new ManualClock();
  readonly log = new CollectingLog();
  readonly spool = new MemorySpool({ clock: this.clock });
  readonly warner: DelayWarner;
  warnAfterMs = 4 * hour;
  wakes = 0;
  #count = 0;

  constructor() {
    const { clock, log, spool } = this;
    let reports = 0;
    const intake = intakeOfOwnMail({ spool, clock, hostname: "mail.here.test" });
    const reporter = new Reporter({
      settings: () => ({ hostname: "mail.here.test" }),
      ...{ clock, random: new SeededRandom(1), log },
      nextId: () => `REPORT${String(++reports).padStart(6, "0")}`,
      compose: (letter) => intake.compose(letter),
    });
    const settings = () => ({ warnAfterMs: this.warnAfterMs, expireMs: 120 * hour });
    this.warner = new DelayWarner({ ...{ spool, reporter, clock, log, settings }, wake: () => this.wakes++ });
    this.warner.start();
  }

  async accept(
    to: readonly string[],
    more: { readonly claimed?: true; readonly notify?: readonly NotifyCondition[]; readonly from?: string } = {},
  ): Promise<{ readonly id: string; readonly claimed: ClaimedMessage | undefined }> {
    const { notify, from = "ann@here.test" } = more;
    const recipients = to.map((address) => ({ address, domain: "there.test", ...(notify && { notify }) }));
    const id = `M${String(++this.#count).padStart(11, "0")}`;
    const message = newMessage(id, this.clock.now(), { reversePath: from, to: recipients });
    await using writer = this.spool.begin();
    await writer.append(Buffer.from("Subject: Lunch\r\n\r\nShall we?\r\n"));
    const { claimed } = await writer.commit(message, { events: [], ...(more.claimed && { claim: terms }) });
    return { id, claimed };
  }

  async told(id: string): Promise<readonly string[]> {
    const events = await this.spool.events(id);
    return events.flatMap((event) =>
      event.kind === "report-queued" ? [`${event.action}: ${event.recipients.join(" ")}`] : [],
    );
  }

  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms);
    for (let turn = 0; turn < 5; turn++) await settle();
  }
}

test("DSN-010: the sender is warned once at the age set, whether the mail waits on disk or in memory", async () => {
  const world = new World();
  const onDisk = await world.accept(["a@there.test", "b@there.test"]);
  const inMemory = await world.accept(["c@there.test"], { claimed: true });
  await world.advance(4 * hour - minute);
  assert.deepEqual(await world.told(onDisk.id), []);
  await world.advance(3 * minute);
  assert.deepEqual(await world.told(onDisk.id), ["delayed: a@there.test b@there.test"]);
  assert.deepEqual(await world.told(inMemory.id), ["delayed: c@there.test"]);
  await world.advance(20 * hour);
  assert.deepEqual(await world.told(onDisk.id), ["delayed: a@there.test b@there.test"]);
  assert.deepEqual(await world.told(inMemory.id), ["delayed: c@there.test"]);
  assert.equal(world.wakes, 2);
  assert.equal((await world.spool.message(inMemory.id))?.recipients[0]?.state, "claimed");
  await world.warner.close();
});

test("DSN-010: a warn_after of 0 warns nobody, nor is anybody warned who asked not to be", async () => {
  const world = new World();
  const silent = await world.accept(["a@there.test"], { notify: ["NEVER"] });
  const bounce = await world.accept(["a@there.test"], { from: "" });
  await world.advance(5 * hour);
  world.warnAfterMs = 0;
  const other = await world.accept(["a@there.test"]);
  await world.advance(20 * hour);
  for (const { id } of [silent, bounce, other]) assert.deepEqual(await world.told(id), []);
  assert.equal((await world.spool.unwarned(world.clock.now(), { limit: 10 })).length, 1);
  await world.warner.close();
});

test("a warning gives what the last attempt met, and until when there will be others", async () => {
  const world = new World();
  const { id, claimed } = await world.accept(["a@there.test"], { claimed: true });
  const outcome = deferredReply("451 4.3.0 the disk is full");
  assert.ok(claimed);
  const at = world.clock.now();
  const event: HistoryEvent = {
    ...{ kind: "recipient-deferred", at, message: id, recipient: 0, address: "a@there.test", due: at + 9 * hour },
    attempt: { number: 1, durationMs: 5, route: "mx there.test", outcome },
  };
  const changes = [{ index: 0, to: "scheduled" as const, due: at + 9 * hour, reply: "451 4.3.0 the disk is full" }];
  await world.spool.settle({ message: id, token: claimed.token, changes, reports: [], events: [event] });
  await world.advance(4 * hour + minute);
  const [report] = await world.spool.find({ to: "ann@here.test" }, { limit: 1 });
  const text = Buffer.from((await world.spool.openContent(report?.message.id ?? ""))?.whole ?? []).toString();
  assert.match(text, /^Diagnostic-Code: smtp; 451 4\.3\.0 the disk is full\r$/m);
  assert.match(text, /^Last-Attempt-Date: Thu, 1 Jan 2026 00:00:00 \+0000\r$/m);
  assert.match(text, /^Will-Retry-Until: Tue, 6 Jan 2026 00:00:00 \+0000\r$/m);
  await world.warner.close();
});

test("a clock that was set forward warns nobody for an hour, and a step back loses no warning", async () => {
  const world = new World();
  const { id } = await world.accept(["a@there.test"]);
  await world.advance(hour);
  world.clock.jump(10 * hour);
  await world.advance(50 * minute);
  assert.deepEqual(await world.told(id), []);
  world.clock.jump(-10 * hour);
  const later = await world.accept(["b@there.test"]);
  await world.advance(2 * hour);
  assert.deepEqual(await world.told(id), []);
  await world.advance(2 * hour + 5 * minute);
  assert.deepEqual(await world.told(id), ["delayed: a@there.test"]);
  assert.deepEqual(await world.told(later.id), ["delayed: b@there.test"]);
  await world.warner.close();
});
