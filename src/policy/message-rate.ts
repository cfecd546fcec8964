/** Messages a minute from one client that is neither logged in nor trusted, and whose address is its own. */
import type { Instant } from "../lib/instant.ts";
import { type Client, mayRelay } from "./client.ts";
import { type Refusal, refuse } from "./decision.ts";
import { networkKey } from "./network-key.ts";
import { RateLimit } from "./rate-limit.ts";

export class MessageRate {
  readonly #rate: RateLimit;

  constructor(perMinute: number) {
    this.#rate = new RateLimit(perMinute);
  }

  reconfigure(perMinute: number): void {
    this.#rate.perWindow = perMinute;
  }

  /** Counts one message. `undefined`: it is not too many. */
  check(client: Client, now: Instant): Refusal | undefined {
    if (client.login !== undefined || client.hidden === true || mayRelay(client)) return undefined;
    const key = networkKey(client.address);
    if (key === undefined || this.#rate.take(key, now)) return undefined;
    return refuse("client-message-rate", { network: key, limit: this.#rate.perWindow });
  }
}
