/**
 * What is claimed and has not begun: recipients that wait for their turn at a site, or for their route. Whoever stops the
 * server, holds mail, or changes where it goes takes them away here, whole or in part.
 */
import type { Clock } from "../ports/clock.ts";
import type { StoredMessage, StoredRecipient } from "../spool/spool.ts";
import type { Claim } from "./leases.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Leases } from "./leases.ts";
import type { ReadyQueue } from "./ready-queue.ts";

/** Some recipients of one claim. */
export interface ClaimPart {
  readonly claim: Claim;
  readonly recipients: readonly StoredRecipient[];
}

export interface UnbegunOptions {
  readonly clock: Clock;
  readonly ready: ReadyQueue;
  readonly dispatcher: Dispatcher;
  readonly leases: Leases;
}

export class Unbegun {
  readonly #options: UnbegunOptions;

  constructor(options: UnbegunOptions) {
    this.#options = options;
  }

  takeAll(): readonly ClaimPart[] {
    const { ready, leases, dispatcher } = this.#options;
    const taken: ClaimPart[] = [];
    for (const site of ready.sites()) taken.push(...ready.drain(site));
    for (const claim of leases.claims()) taken.push({ claim, recipients: dispatcher.takeBack(claim) });
    return taken;
  }

  /** Takes the recipients that are meant; the others keep their place. */
  take(isMeant: (message: StoredMessage, recipient: StoredRecipient) => boolean): readonly ClaimPart[] {
    const { clock, ready, leases, dispatcher } = this.#options;
    const taken: ClaimPart[] = [];
    const leave = (claim: Claim, recipients: readonly StoredRecipient[]): readonly StoredRecipient[] => {
      const meant = recipients.filter((recipient) => isMeant(claim.message, recipient));
      if (meant.length === 0) return recipients;
      taken.push({ claim, recipients: meant });
      return recipients.filter((recipient) => !meant.includes(recipient));
    };
    for (const site of ready.sites()) {
      for (const job of ready.drain(site)) {
        const recipients = leave(job.claim, job.recipients);
        if (recipients.length > 0) ready.push({ ...job, recipients }, clock.monotonicMs());
      }
    }
    for (const claim of leases.claims()) {
      if (claim.routing.length === 0 || !claim.routing.some((recipient) => isMeant(claim.message, recipient))) continue;
      const recipients = leave(claim, dispatcher.takeBack(claim));
      if (recipients.length > 0) dispatcher.dispatchAnew(claim, recipients);
    }
    return taken;
  }

  /** Looks up new routes for everything, in the order in which it was claimed. */
  rerouteAll(): void {
    const byClaim = Map.groupBy(this.takeAll(), ({ claim }) => claim);
    for (const claim of this.#options.leases.claims()) {
      const recipients = byClaim.get(claim)?.flatMap((part) => part.recipients) ?? [];
      if (recipients.length > 0) this.#options.dispatcher.dispatchAnew(claim, recipients);
    }
  }
}
