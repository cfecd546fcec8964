/**
 * What waits at one site, in lanes that take turns: one lane to a sender, so that nobody waits for the end of another's
 * mailing. Within a lane messages take turns, too, one transaction each, so that a small message waits for one
 * transaction of a large one; they begin in the order in which they came.
 *
 * At a mailbox store a lane is a mailbox, of which two deliveries at a time are enough: one whose file system hangs then
 * holds up nobody else.
 */
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { NextHop } from "../route/next-hop.ts";
import type { QueueId } from "../spool/queue-id.ts";
import type { StoredRecipient } from "../spool/spool.ts";
import { senderOf } from "../spool/turns.ts";
import type { Claim } from "./leases.ts";

const perMailboxMax = 2;

/** What decides on the lane of a transaction. */
interface LaneJob {
  readonly claim: Claim;
  readonly recipients: readonly StoredRecipient[];
  readonly hop: NextHop;
}

interface Lane<Job> {
  readonly key: string;
  readonly runningMax: number;
  /**
   * Transactions of each message, of however many claims: recipients that fall due one after the other are claimed so, and a
   * turn for each claim would give a large message as many turns. The first message is next.
   */
  readonly messages: Map<QueueId, Job[]>;
  running: number;
  inRound: boolean;
}

export class Lanes<Job extends LaneJob> {
  readonly #lanes = new Map<string, Lane<Job>>();
  /** Lanes that may begin something, in turn. */
  readonly #round: Lane<Job>[] = [];
  #size = 0;

  /** Transactions that wait. */
  get size(): number {
    return this.#size;
  }

  /** Whether there is one that may begin. */
  get isReady(): boolean {
    return this.#round.length > 0;
  }

  push(job: Job): void {
    const { key, runningMax } = laneOf(job);
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = { key, runningMax, messages: new Map(), running: 0, inRound: false };
      this.#lanes.set(key, lane);
    }
    const { id } = job.claim.message;
    const jobs = lane.messages.get(id);
    if (jobs === undefined) lane.messages.set(id, [job]);
    else jobs.push(job);
    this.#size++;
    this.#offer(lane);
  }

  /** The next in turn, or the first that `suits`; the caller may {@link Lanes.take} it. */
  next(suits: (job: Job) => boolean = anyJob): Job | undefined {
    for (const lane of this.#round) {
      for (const [job] of lane.messages.values()) if (job !== undefined && suits(job)) return job;
    }
    return undefined;
  }

  /** What {@link Lanes.next} gave now runs. */
  take(job: Job): void {
    const lane = this.#lanes.get(laneOf(job).key);
    if (lane === undefined) return;
    const { id } = job.claim.message;
    const jobs = lane.messages.get(id);
    jobs?.shift();
    lane.messages.delete(id);
    if (jobs !== undefined && jobs.length > 0) lane.messages.set(id, jobs);
    this.#size--;
    lane.running++;
    const at = this.#round[0] === lane ? 0 : this.#round.indexOf(lane);
    this.#round.splice(at, 1);
    lane.inRound = false;
    this.#offer(lane);
  }

  /**
   * What waits already comes before everything else of its lane. The lane keeps its place in the round, so that a mailing
   * that has expired does not hold up other senders.
   */
  hasten(job: Job): void {
    const lane = this.#lanes.get(laneOf(job).key);
    const { id } = job.claim.message;
    const jobs = lane?.messages.get(id);
    if (lane === undefined || jobs === undefined || !jobs.includes(job)) return;
    const others = [...lane.messages].filter(([message]) => message !== id);
    lane.messages.clear();
    lane.messages.set(id, [job, ...jobs.filter((one) => one !== job)]);
    for (const [message, waiting] of others) lane.messages.set(message, waiting);
  }

  ended(job: Job): void {
    const lane = this.#lanes.get(laneOf(job).key);
    if (lane === undefined) return;
    lane.running--;
    if (lane.running === 0 && lane.messages.size === 0) this.#lanes.delete(lane.key);
    else this.#offer(lane);
  }

  /** Takes away everything that waits and that `suits`. */
  drain(suits: (job: Job) => boolean = anyJob): readonly Job[] {
    const drained: Job[] = [];
    for (const lane of this.#lanes.values()) {
      for (const [message, jobs] of lane.messages) {
        const kept: Job[] = [];
        for (const job of jobs) (suits(job) ? drained : kept).push(job);
        if (kept.length === 0) lane.messages.delete(message);
        else lane.messages.set(message, kept);
      }
      if (lane.messages.size > 0) continue;
      if (lane.inRound) this.#round.splice(this.#round.indexOf(lane), 1);
      lane.inRound = false;
      if (lane.running === 0) this.#lanes.delete(lane.key);
    }
    this.#size -= drained.length;
    return drained;
  }

  *[Symbol.iterator](): Iterator<Job> {
    for (const lane of this.#lanes.values()) for (const jobs of lane.messages.values()) yield* jobs;
  }

  #offer(lane: Lane<Job>): void {
    if (lane.inRound || lane.messages.size === 0 || lane.running >= lane.runningMax) return;
    lane.inRound = true;
    this.#round.push(lane);
  }
}

function anyJob(): boolean {
  return true;
}

function laneOf({ claim, recipients, hop }: LaneJob): Pick<Lane<LaneJob>, "key" | "runningMax"> {
  const [only] = recipients;
  const isMailbox = hop.kind === "maildir" || (hop.kind === "lmtp" && recipients.length === 1);
  if (isMailbox && only !== undefined) return { key: `to ${mailboxOf(only.address)}`, runningMax: perMailboxMax };
  return { key: senderOf(claim.message), runningMax: Infinity };
}

/** Without its `+tag`. */
function mailboxOf(address: string): string {
  const at = address.lastIndexOf("@");
  const tag = address.indexOf("+");
  return asciiLowerCase(tag > 0 && tag < at ? address.slice(0, tag) + address.slice(at) : address);
}
