/**
 * Hold and remove, as an operator means them: for all recipients that the filter selects, wherever they wait. What has
 * not begun is first given back to the schedule, where the spool's verb reaches it; what comes into memory meanwhile
 * goes back at once and is dealt with after. Deliveries under way are left, and counted.
 */
import { InTurn } from "../lib/in-turn.ts";
import type { Clock } from "../ports/clock.ts";
import { isMeant } from "../spool/recipient-state.ts";
import {
  type OperatorVerb,
  type RecipientFilter,
  type Spool,
  SpoolError,
  type StoredRecipient,
} from "../spool/spool.ts";
import type { Claim } from "./leases.ts";
import type { Claimer } from "./claimer.ts";
import type { Concluder } from "./concluder.ts";
import type { Deliveries } from "./deliveries.ts";
import type { RetryWishes } from "./retry-wishes.ts";
import type { ClaimPart, Unbegun } from "./unbegun.ts";

/** Counted in recipients. */
export interface VerbResult {
  readonly changed: number;
  /** Selected, but being delivered, so they were left. */
  readonly underWay: number;
}

export interface OperatorVerbsOptions {
  readonly spool: Spool;
  readonly clock: Clock;
  readonly claimer: Claimer;
  readonly concluder: Concluder;
  readonly deliveries: Deliveries;
  readonly unbegun: Unbegun;
  readonly wishes: RetryWishes;
}

/** A spool that cannot take recipients back within this time cannot hold them either. */
const returnMs = 10_000;

/** A verb that is being carried out. */
interface Work {
  readonly filter: RecipientFilter;
  /** Messages of which recipients were given back since the verb last looked. */
  readonly messages: Set<string>;
  /** Resolve when the spool has them back. */
  readonly returning: Promise<void>[];
}

export class OperatorVerbs {
  readonly #options: OperatorVerbsOptions;
  readonly #inTurn = new InTurn();
  #work: Work | undefined;

  constructor(options: OperatorVerbsOptions) {
    this.#options = options;
  }

  /** Rejects where the spool does. */
  async operate(verb: OperatorVerb, filter: RecipientFilter, by: string, reason: string): Promise<VerbResult> {
    const { spool, claimer, wishes } = this.#options;
    switch (verb) {
      case "hold":
        return await this.#inTurn.run(() => this.#takeAndAct(filter, (some) => spool.hold(some, by, reason)));
      case "remove":
        return await this.#inTurn.run(() => this.#takeAndAct(filter, (some) => spool.remove(some, by)));
      case "release":
      case "retry": {
        // Before they come back: nothing of what a person asks for is turned away because its site rests.
        wishes.add(filter);
        const changed = await spool[verb](filter, by);
        claimer.wake();
        return { changed, underWay: verb === "retry" ? countOf(this.#underWay(filter)) : 0 };
      }
      default:
        return verb satisfies never;
    }
  }

  /** To be called with each claim before it is dispatched: what a verb under way means goes back at once. */
  intercept(claim: Claim): void {
    const work = this.#work;
    if (work === undefined) return;
    const meant = claim.routing.filter((recipient) => isMeant(work.filter, claim.message, recipient));
    claim.routing = claim.routing.filter((recipient) => !meant.includes(recipient));
    this.#giveBack(work, { claim, recipients: meant });
  }

  /** Selected recipients that are being delivered, or whose outcome is not recorded yet. */
  #underWay(filter: RecipientFilter): ReadonlyMap<readonly StoredRecipient[], ClaimPart> {
    const { deliveries, concluder } = this.#options;
    // A delivery and its conclusion share the list of recipients.
    const parts = new Map<readonly StoredRecipient[], ClaimPart>();
    for (const part of [...deliveries.jobs(), ...concluder.unrecorded()]) {
      const recipients = part.recipients.filter((recipient) => isMeant(filter, part.claim.message, recipient));
      if (recipients.length > 0) parts.set(part.recipients, { claim: part.claim, recipients });
    }
    return parts;
  }

  /** `act`: the spool's verb, which changes what is scheduled. */
  async #takeAndAct(filter: RecipientFilter, act: (filter: RecipientFilter) => Promise<number>): Promise<VerbResult> {
    // Nothing in memory is in any other state.
    if (filter.states?.includes("scheduled") === false) return { changed: await act(filter), underWay: 0 };
    const { claimer, unbegun } = this.#options;
    const work: Work = { filter, messages: new Set(), returning: [] };
    this.#work = work;
    try {
      const before = this.#underWay(filter);
      for (const part of unbegun.take((message, recipient) => isMeant(filter, message, recipient))) {
        this.#giveBack(work, part);
      }
      await claimer.pause();
      await this.#returned(work);
      work.messages.clear();
      let changed = await act(filter);
      for (let left = before; ;) {
        await this.#returned(work);
        const now = this.#underWay(filter);
        // What ended meanwhile may have been scheduled anew behind the verb's back.
        const ended = [...left].filter(([recipients]) => !now.has(recipients));
        const again = new Set([...work.messages, ...ended.map(([, { claim }]) => claim.message.id)]);
        if (again.size === 0) return { changed, underWay: countOf(now) };
        work.messages.clear();
        left = now;
        for (const message of again) changed += await act({ ...filter, message });
      }
    } finally {
      this.#work = undefined;
      claimer.resume();
    }
  }

  #giveBack({ messages, returning }: Work, { claim, recipients }: ClaimPart): void {
    if (recipients.length === 0) return;
    const { clock, concluder } = this.#options;
    messages.add(claim.message.id);
    returning.push(new Promise((resolve) => concluder.putBack(claim, recipients, clock.now(), resolve)));
  }

  /** Rejects where the spool does not take them back in time. */
  async #returned({ returning }: Work): Promise<void> {
    if (returning.length === 0) return;
    const all = Promise.all(returning.splice(0));
    await new Promise<void>((resolve, reject) => {
      const tooLate = new SpoolError("failed", "the mail waiting in memory could not be returned to the queue in time");
      const timer = this.#options.clock.setTimer(returnMs, () => reject(tooLate));
      all.then(() => resolve(), reject).finally(() => timer.cancel());
    });
  }
}

function countOf(parts: ReadonlyMap<unknown, ClaimPart>): number {
  let count = 0;
  for (const { recipients } of parts.values()) count += recipients.length;
  return count;
}
