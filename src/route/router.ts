/** Routing as the queue sees it: one question per recipient domain. */
import type { Diagnostic, FaultOwner } from "../events/delivery-outcome.ts";
import type { EnhancedStatus } from "../smtp/enhanced-status.ts";
import type { NextHop } from "./next-hop.ts";

export type RouteResult =
  | { readonly kind: "hop"; readonly hop: NextHop }
  | {
      readonly kind: "deferred";
      readonly status: EnhancedStatus<4>;
      readonly owner: FaultOwner;
      readonly reason: string;
      readonly diagnostic?: Diagnostic;
    }
  | {
      readonly kind: "bounced";
      readonly status: EnhancedStatus<5>;
      readonly owner: FaultOwner;
      readonly reason: string;
      readonly diagnostic?: Diagnostic;
    };

export interface Router {
  /** `domain`: a `domainKey`; `address`: the whole recipient, since a route's pattern may name one. Never rejects. */
  route(recipient: { readonly address: string; readonly domain: string }): Promise<RouteResult>;
}
