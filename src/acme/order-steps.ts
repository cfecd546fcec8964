/** What comes next for an order and for an authorization: the tables of RFC 8555 §7.1.6. */
import type { Authorization, Order } from "./messages.ts";

/** `authorize`: prove the names. `wait`: ask again later. */
export type OrderStep = "authorize" | "finalize" | "wait" | "download" | "failed";

const orderSteps = {
  pending: "authorize",
  ready: "finalize",
  processing: "wait",
  valid: "download",
  invalid: "failed",
} as const satisfies Record<Order["status"], OrderStep>;

/** `finalized`: the request for a certificate was taken; an order that is still said to be ready only lags behind. */
export function stepOfOrder({ status }: Order, { finalized }: { readonly finalized: boolean }): OrderStep {
  const step = orderSteps[status];
  return step === "finalize" && finalized ? "wait" : step;
}

/** `proven`: nothing is to be done, perhaps since an earlier proof still holds. */
export type AuthorizationStep = "prove" | "proven" | "failed";

const authorizationSteps = {
  pending: "prove",
  valid: "proven",
  invalid: "failed",
  deactivated: "failed",
  expired: "failed",
  revoked: "failed",
} as const satisfies Record<Authorization["status"], AuthorizationStep>;

export function stepOfAuthorization({ status }: Authorization): AuthorizationStep {
  return authorizationSteps[status];
}
