/**
 * Recipients whose route is being looked up, counted by domain: a flood to a domain whose DNS does not answer must not
 * take all the memory for itself.
 */
import type { Clock } from "../ports/clock.ts";
import type { Router } from "../route/router.ts";
import type { StoredRecipient } from "../spool/spool.ts";
import type { Claim } from "./leases.ts";
import { routeMessage, type RoutedRecipient } from "./route-message.ts";

export class RoutingStage {
  readonly #dependencies: { readonly router: Router; readonly clock: Clock };
  readonly #dispatch: (claim: Claim, batch: readonly RoutedRecipient[]) => void;
  readonly #byDomain = new Map<string, number>();
  /** Ends the wait for the routes of a claim. */
  readonly #waits = new Map<Claim, () => void>();

  constructor(
    dependencies: { readonly router: Router; readonly clock: Clock },
    dispatch: (claim: Claim, batch: readonly RoutedRecipient[]) => void,
  ) {
    this.#dependencies = dependencies;
    this.#dispatch = dispatch;
  }

  /** `dispatch` gets each recipient once, unless {@link RoutingStage.takeBack} came first. */
  begin(claim: Claim, recipients: readonly StoredRecipient[]): void {
    claim.routing = recipients;
    for (const { domain } of recipients) this.#count(domain, 1);
    const cancel = routeMessage(this.#dependencies, recipients, (batch) => {
      if (batch.length === claim.routing.length) {
        claim.routing = [];
        this.#waits.delete(claim);
      } else {
        const routed = new Set(batch.map(({ recipient }) => recipient));
        claim.routing = claim.routing.filter((recipient) => !routed.has(recipient));
      }
      for (const { recipient } of batch) this.#count(recipient.domain, -1);
      this.#dispatch(claim, batch);
    });
    this.#waits.set(claim, cancel);
  }

  /** Recipients whose routes are not known yet; later answers are ignored. */
  takeBack(claim: Claim): readonly StoredRecipient[] {
    const recipients = claim.routing;
    claim.routing = [];
    this.#waits.get(claim)?.();
    this.#waits.delete(claim);
    for (const { domain } of recipients) this.#count(domain, -1);
    return recipients;
  }

  /** Recipients of this domain whose routes are not known yet. */
  countOf(domain: string): number {
    return this.#byDomain.get(domain) ?? 0;
  }

  /** Those with a recipient whose route is not known yet. */
  domains(): Iterable<string> {
    return this.#byDomain.keys();
  }

  #count(domain: string, step: 1 | -1): void {
    const count = (this.#byDomain.get(domain) ?? 0) + step;
    if (count === 0) this.#byDomain.delete(domain);
    else this.#byDomain.set(domain, count);
  }
}
