/** The states of a submission: each row of the table happens, and nothing else does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PolicyChain } from "../policy/policy-chain.ts";
import type { MessageWriter } from "../spool/spool.ts";
import { ManualClock, settle } from "../testing/manual-clock.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { assertWalksEveryRow } from "../testing/table-walk.ts";
import { envelopeOfLetter, originOfLetter } from "./compose-letter.ts";
import { Intake } from "./intake.ts";
import type { Submission } from "./submission.ts";
import { submissionTransitions } from "./submission-state.ts";

const header = Buffer.from("Subject: x\r\n\r\n");
const body = Buffer.from("x\r\n");
const broken = new Error("the disk is gone");

/** One submission, whose spool and admission answer when and as a scene wants. */
class Scene {
  readonly appended: PromiseWithResolvers<void>[] = [];
  readonly claimTerms = Promise.withResolvers<undefined>();
  readonly committed = Promise.withResolvers<Awaited<ReturnType<MessageWriter["commit"]>>>();
  /** How often the spool was told to forget the message. */
  aborted = 0;
  readonly submission: Submission;

  /** `waits`: each append ends when the scene says so. */
  constructor({ waits = false } = {}) {
    const clock = new ManualClock();
    const abort = async () => void this.aborted++;
    const writer: MessageWriter = {
      size: 0,
      append: () => {
        if (!waits) return undefined;
        this.appended.push(Promise.withResolvers<void>());
        return this.appended.at(-1)?.promise;
      },
      commit: () => this.committed.promise,
      abort,
      [Symbol.asyncDispose]: abort,
    };
    const intake = new Intake(
      {
        ...{ clock, random: new SeededRandom(1), policy: new PolicyChain([]), spool: { begin: () => writer } },
        ids: { next: () => "M1" },
        admission: { claimTerms: () => this.claimTerms.promise },
        queue: { accepted: () => undefined },
        reporter: { expandedReport: () => Promise.resolve(undefined) },
      },
      { hostname: "mail.example.org", hopLimit: 100, headerBytesMax: 1024 },
    );
    const recipients = [{ address: "ann@example.org", domain: "example.org" }];
    const letter = { id: "M1", at: clock.now(), content: header, reversePath: "", recipients };
    this.submission = intake.begin(originOfLetter(letter), envelopeOfLetter(letter));
  }

  finish() {
    return Promise.resolve(this.submission.finish());
  }

  commit(): void {
    this.committed.resolve({ message: {} as never, claimed: undefined });
  }
}

const scenes: Readonly<Record<string, () => Promise<void>>> = {
  "accepted; whoever gives it up later is too late": async () => {
    const scene = new Scene();
    assert.equal(scene.submission.push([header, body]), undefined);
    const outcome = scene.finish();
    scene.claimTerms.resolve(undefined);
    await settle();
    scene.submission.abandon();
    scene.commit();
    assert.equal((await outcome)?.verdict, "accept");
    scene.submission.abandon();
    assert.equal(scene.aborted, 0);
  },
  "refused by the commit, and then given up": async () => {
    const scene = new Scene();
    scene.submission.push([header, body]);
    const outcome = scene.finish();
    scene.claimTerms.resolve(undefined);
    await settle();
    scene.committed.reject(broken);
    assert.equal((await outcome)?.verdict, "defer");
    scene.submission.abandon();
  },
  "refused while it arrives": async () => {
    const scene = new Scene({ waits: true });
    const pushed = scene.submission.push([header, body]);
    for (const append of scene.appended) append.reject(broken);
    assert.equal((await pushed)?.verdict, "defer");
    assert.equal(await scene.finish(), undefined);
    assert.equal(scene.aborted, 1);
  },
  "refused while it is checked, since two earlier writes fail": async () => {
    const scene = new Scene({ waits: true });
    const pushed = [scene.submission.push([header]), scene.submission.push([body])];
    const outcome = scene.finish();
    await settle();
    for (const append of scene.appended) append.reject(broken);
    const refusals = (await Promise.all(pushed)).filter((answer) => answer?.verdict === "defer");
    assert.equal(refusals.length, 1, "it is refused once");
    scene.claimTerms.resolve(undefined);
    assert.equal(await outcome, undefined);
    assert.equal(scene.aborted, 1);
  },
  "an earlier write fails after the commit: the message is durable, so it stays accepted": async () => {
    const scene = new Scene({ waits: true });
    const pushed = scene.submission.push([header, body]);
    scene.claimTerms.resolve(undefined);
    scene.commit();
    assert.equal((await scene.finish())?.verdict, "accept");
    for (const append of scene.appended) append.reject(broken);
    assert.equal(await pushed, undefined);
    assert.equal(scene.aborted, 0);
  },
  "given up while it arrives, twice, and then a write fails": async () => {
    const scene = new Scene({ waits: true });
    const pushed = scene.submission.push([header, body]);
    scene.submission.abandon();
    scene.submission.abandon();
    scene.appended[0]?.reject(broken);
    assert.equal(await pushed, undefined);
    assert.equal(scene.aborted, 1);
  },
  "given up while it is checked": async () => {
    const scene = new Scene();
    scene.submission.push([header, body]);
    const outcome = scene.finish();
    await settle();
    scene.submission.abandon();
    scene.claimTerms.resolve(undefined);
    assert.equal(await outcome, undefined);
    assert.equal(scene.aborted, 1);
  },
};

test("each row of the table happens, and nothing else does", async (context) => {
  await assertWalksEveryRow(submissionTransitions, async () => {
    for (const [name, scene] of Object.entries(scenes)) await context.test(name, scene);
  });
});
