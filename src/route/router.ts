/** Routing as the queue sees it: one question per recipient domain. */
import type { FaultOwner } from "../dsn/report.ts";
import type { Diagnostic } from "../events/delivery-outcome.ts";
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

export interface RoutedMail {
  /** The whole recipient, since a route's pattern may name one. */
  readonly address: string;
  /** A `domainKey`. */
  readonly domain: string;
  /** The message asks for delivery in clear rather than none (RFC 8689 §4.1). */
  readonly tlsOptional?: true;
  /** The message may only go over TLS to verified hosts (RFC 8689 §4.2.1); `tlsOptional` then does not count. */
  readonly tlsRequired?: true;
}

export interface Router {
  /** Never rejects. */
  route(mail: RoutedMail): Promise<RouteResult>;
}
