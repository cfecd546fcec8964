/**
 * Asks the router about each recipient of a message, and hands the answers on together, so that recipients with the
 * same next hop travel in one transaction. A domain whose DNS is slow does not hold up the others for long.
 */
import type { Clock, Timer } from "../ports/clock.ts";
import type { Router, RouteResult } from "../route/router.ts";
import type { StoredRecipient } from "../spool/spool.ts";

export interface RoutedRecipient {
  readonly recipient: StoredRecipient;
  readonly result: RouteResult;
}

/** Cached routes answer in the same turn; a cold look-up mostly within a second. */
const patienceMs = 2_000;

/**
 * `dispatch` is called with each recipient exactly once, in one batch or a few, never in this turn; not any more after the
 * function that is given back was called.
 */
export function routeMessage(
  dependencies: { readonly router: Router; readonly clock: Clock },
  recipients: readonly StoredRecipient[],
  dispatch: (batch: readonly RoutedRecipient[]) => void,
): () => void {
  const { router, clock } = dependencies;
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
    router.route(recipient).then(
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

function routerFailed(error: unknown): RouteResult {
  return {
    kind: "deferred",
    status: "4.3.0",
    owner: "local-trouble",
    reason: `routing failed through a fault of this server: ${error instanceof Error ? error.message : String(error)}`,
  };
}
