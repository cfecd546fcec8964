/** What the intake promises whoever brings a message, over every origin. Run by intake.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SpoolError } from "../../src/spool/spool.ts";
import { settle } from "../../src/testing/manual-clock.ts";
import { IntakeBench, type OriginCase, origins, type Wait } from "./intake-fixture.ts";
import type { SpoolHarness } from "./spool-fixture.ts";

type Open = () => Promise<SpoolHarness>;

function checkerOf(spoolName: string, open: Open, origin: OriginCase) {
  return (title: string, body: (bench: IntakeBench) => Promise<void>) => {
    test(`intake on ${spoolName}, from ${origin.name}: ${title}`, async () => {
      await using harness = await open();
      await body(new IntakeBench(harness));
    });
  };
}

/** What depends on the spool. */
export function intakeIsDurable(spoolName: string, open: Open): void {
  for (const origin of origins) {
    const check = checkerOf(spoolName, open, origin);
    check("it is accepted when it is durable, not before", (bench) => durableBeforeAccepted(bench, origin));
  }
}

/** What is the same on every spool. */
export function intakeContract(spoolName: string, open: Open): void {
  for (const origin of origins) {
    const check = checkerOf(spoolName, open, origin);
    check("what is accepted bears our fields, has a history, and goes to the queue once", (bench) =>
      completeWhenAccepted(bench, origin),
    );
    check("what is durable is accepted, though nothing can be noted of it", async (bench) => {
      for (const logWorks of [true, false]) await acceptedInSilence(bench, origin, logWorks);
    });
    check("what the spool refuses is deferred, and nothing of it is kept", async (bench) => {
      for (const wait of ["append", "terms", "commit"] as const) await refusedBySpool(bench, origin, wait);
    });
    check("an end in every state but the commit keeps nothing; in the commit it changes nothing", async (bench) => {
      for (const wait of origin.waits) await abandonedAt(bench, origin, wait);
    });
    check("abandoned before its content, or between two pieces of it, it keeps nothing", (bench) =>
      abandonedEarly(bench, origin),
    );
  }
}

async function durableBeforeAccepted(bench: IntakeBench, origin: OriginCase): Promise<void> {
  bench.hold("commit");
  const { submission, outcome } = await bench.bring(origin);
  let answered = false;
  void outcome.then(() => (answered = true));
  await bench.reached("commit");
  await settle();
  assert.equal(answered, false);
  assert.deepEqual(bench.waited, origin.waits);
  bench.open();
  const accepted = await outcome;
  assert.ok(accepted?.verdict === "accept");
  assert.equal(accepted.id, submission.id);
  const spool = await bench.harness.crash();
  assert.ok(await spool.message(submission.id), "it is there after a crash");
  assert.equal(await bench.recipients(spool), 1);
}

async function completeWhenAccepted(bench: IntakeBench, origin: OriginCase): Promise<void> {
  const { submission, outcome } = await bench.bring(origin);
  const accepted = await outcome;
  assert.ok(accepted?.verdict === "accept");
  const { spool } = bench.harness;
  const { message } = (await spool.message(submission.id)) ?? assert.fail();
  const isSigned = origin.waits.includes("signing");
  assert.match(message.headerBlock, isSigned ? /^DKIM-Signature: [^\r]*\r\nReceived: / : /(^|\r\n)Received: /);
  assert.equal(message.facts.subject, origin.slices.length > 1 ? "Lunch" : "Told");
  await using content = (await spool.openContent(submission.id)) ?? assert.fail();
  assert.deepEqual(Buffer.from(content.whole ?? []), Buffer.concat(origin.slices));
  const { origin: from } = origin.begin(bench);
  if (from.trust === "ourselves") {
    assert.equal(await spool.getRecord("contract", submission.id), "with the letter");
  }
  const events = await spool.events(from.trust === "ourselves" && from.event ? from.event.message : submission.id);
  assert.equal(events[0]?.kind, from.trust === "ourselves" && from.event ? "report-queued" : "message-accepted");
  assert.equal(bench.handed.length, 0, "the queue is told when the client has its answer");
  accepted.handOver();
  assert.deepEqual(
    bench.handed.map((claimed) => claimed?.message.id),
    [submission.id],
    "and gets what the commit itself claimed",
  );
  submission.abandon();
  assert.equal(await submission.push([Buffer.from("more")]), undefined);
  assert.equal(await submission.finish(), undefined);
  assert.ok(await spool.message(submission.id));
  assert.equal(bench.openWriters, 0);
}

async function acceptedInSilence(bench: IntakeBench, origin: OriginCase, logWorks: boolean): Promise<void> {
  bench.notesFail = true;
  const { log } = bench;
  const event = log.event.bind(log);
  log.event = (name, fields) => {
    if (name === "message-accepted" || (name === "internal-error" && !logWorks)) throw new Error("no log");
    event(name, fields);
  };
  const { submission, outcome } = await bench.bring(origin);
  const accepted = await outcome;
  assert.ok(accepted?.verdict === "accept");
  assert.ok(await bench.harness.spool.message(submission.id));
  const { origin: from } = origin.begin(bench);
  // Of what we made ourselves nothing is noted here; strangers' mail is counted, too.
  const faults = from.trust === "ourselves" ? 0 : from.trust === "stranger" ? 2 : 1;
  assert.equal(log.of("internal-error").length, faults);
}

async function refusedBySpool(bench: IntakeBench, origin: OriginCase, wait: Wait): Promise<void> {
  for (const [error, code] of [
    [new SpoolError("no-space", "full"), 452],
    [new SpoolError("failed", "no disk"), 451],
    [new Error("a broken invariant"), 451],
  ] as const) {
    bench.fail(wait, error);
    const { outcome } = await bench.bring(origin);
    const refused = await outcome;
    assert.ok(refused?.verdict === "defer");
    assert.equal(refused.reply.code, code);
    assert.equal(refused.cause, error);
    await assertNothingKept(bench);
  }
  assert.equal(bench.intake.takesMail, wait !== "commit");
}

async function abandonedAt(bench: IntakeBench, origin: OriginCase, wait: Wait): Promise<void> {
  const before = await bench.recipients();
  bench.hold(wait);
  const { submission, outcome } = await bench.bring(origin);
  await bench.reached(wait);
  await settle();
  const { held } = bench.memory;
  submission.abandon();
  submission.abandon();
  assert.equal(bench.memory.held, wait === "commit" ? held : 0, "what the spool commits counts until it is done");
  bench.open();
  const result = await outcome;
  await settle();
  if (wait === "commit") {
    assert.ok(result?.verdict === "accept");
    assert.ok(await bench.harness.spool.message(submission.id));
    assert.equal(await bench.recipients(), before + 1);
    assert.deepEqual([bench.memory.held, bench.openWriters], [0, 0]);
  } else {
    assert.equal(result, undefined, `abandoned while ${wait} was waited for`);
    await assertNothingKept(bench);
  }
}

async function abandonedEarly(bench: IntakeBench, origin: OriginCase): Promise<void> {
  for (let pushed = 0; pushed < origin.slices.length; pushed++) {
    const { origin: from, envelope } = origin.begin(bench);
    const submission = bench.intake.begin(from, envelope);
    for (const slice of origin.slices.slice(0, pushed)) assert.equal(await submission.push([slice]), undefined);
    submission.abandon();
    assert.equal(await submission.push([Buffer.from("more")]), undefined);
    assert.equal(await submission.finish(), undefined);
    await settle();
    await assertNothingKept(bench);
  }
}

/** Neither now nor after a crash. */
async function assertNothingKept(bench: IntakeBench): Promise<void> {
  assert.equal(await bench.recipients(), 0);
  assert.equal(bench.openWriters, 0);
  assert.equal(bench.memory.held, 0);
  assert.deepEqual(bench.handed, []);
}
