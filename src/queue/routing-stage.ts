/**
 * Recipients whose routes are being looked up. The answers for one message are handed on together, so that recipients with
 * the same next hop travel in one transaction; a domain whose DNS is slow does not hold up the others for long.
 */
import { errorText } from "../lib/error-text.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { RoutedMail, Router, RouteResult } from "../route/router.ts";
import { needsRequireTls, type StoredMessage, type StoredRecipient } from "../spool/spool.ts";
import type { Claim } from "./leases.ts";
import type { ReadySpace } from "./ready-space.ts";

export interface RoutedRecipient {
  readonly recipient: StoredRecipient;
  readonly result: RouteResult;
}

/** Cached routes answer in the same turn; a cold look-up mostly within a second. */
const patienceMs = 2_000;

export interface RoutingOptions {
  readonly router: Router;
  readonly clock: Clock;
  /** A flood to a domain whose DNS does not answer must not take all the memory for itself. */
  readonly space: Pick<ReadySpace, "awaitRoutes" | "endRoutes">;
}

export class RoutingStage {
  readonly #options: RoutingOptions;
  readonly #dispatch: (claim: Claim, batch: readonly RoutedRecipient[]) => void;
  /** Ends the wait for the routes of a claim. */
  readonly #waits = new Map<Claim, () => void>();

  /** `dispatch` gets each recipient once, unless {@link RoutingStage.takeBack} came first. */
  constructor(options: RoutingOptions, dispatch: (claim: Claim, batch: readonly RoutedRecipient[]) => void) {
    this.#options = options;
    this.#dispatch = dispatch;
  }

  begin(claim: Claim, recipients: readonly StoredRecipient[]): void {
    const { space } = this.#options;
    claim.routing = recipients;
    space.awaitRoutes(claim, recipients);
    const cancel = routeMessage(this.#options, claim, recipients, (batch) => {
      const routed = new Set(batch.map(({ recipient }) => recipient));
      claim.routing = claim.routing.filter((recipient) => !routed.has(recipient));
      if (claim.routing.length === 0) this.#waits.delete(claim);
      space.endRoutes(claim, [...routed]);
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
    this.#options.space.endRoutes(claim, recipients);
    return recipients;
  }
}

/**
 * `dispatch` is called with each recipient exactly once, in one batch or a few, never in this turn; not any more after the
 * function that is given back was called.
 */
function routeMessage(
  dependencies: { readonly router: Router; readonly clock: Clock },
  { message }: Pick<Claim, "message">,
  recipients: readonly StoredRecipient[],
  dispatch: (batch: readonly RoutedRecipient[]) => void,
): () => void {
  const { router, clock } = dependencies;
  const wish = tlsWish(message);
  let waiting = recipients.length;
  let batch: RoutedRecipient[] = [];
  let patience: Timer | undefined;
  let isOver = false;
  const handOver = () => {
    const ready = batch;
    batch = [];
    if (ready.length > 0) dispatch(ready);
  };
  for (const recipient of recipients) {
    const { address, domain } = recipient;
    router.route({ address, domain, ...wish }).then(
      (result) => routed(recipient, result),
      (error: unknown) => routed(recipient, routerFailed(error)),
    );
  }
  return () => {
    isOver = true;
    patience?.cancel();
  };
  function routed(recipient: StoredRecipient, result: RouteResult): void {
    if (isOver) return;
    batch.push({ recipient, result });
    waiting--;
    if (waiting === 0) {
      patience?.cancel();
      handOver();
    } else {
      patience ??= clock.setTimer(patienceMs, () => {
        // From here on at most one transaction more for each late answer.
        patience = undefined;
        handOver();
      });
    }
  }
}

/** What the message itself says about TLS; REQUIRETLS overrules the header (RFC 8689 §4.1). */
function tlsWish(message: StoredMessage): Pick<RoutedMail, "tlsOptional" | "tlsRequired"> {
  if (needsRequireTls(message)) return { tlsRequired: true };
  return message.requireTls !== true && message.facts.tlsOptional ? { tlsOptional: true } : {};
}

function routerFailed(error: unknown): RouteResult {
  return {
    kind: "deferred",
    status: "4.3.0",
    owner: "local-trouble",
    reason: `routing failed because of an internal error: ${errorText(error)}`,
  };
}
