/** Messages a minute from one client that is neither logged in nor trusted. */
import type { Instant } from "../lib/instant.ts";
import { reply } from "../smtp/reply.ts";
import type { Client } from "./client.ts";
import type { Decision } from "./decision.ts";
import { networkKey } from "./network-key.ts";
import { RateLimit } from "./rate-limit.ts";

const accepted: Decision = { verdict: "accept", reason: "within-rate" };
const tooMany: Decision = {
  verdict: "defer",
  reply: reply(450, "4.7.1", "Too many messages from your network, try again later"),
  reason: "client-message-rate",
  setting: "limits.client_message_rate",
};

export class MessageRate {
  readonly #rate: RateLimit;

  constructor(perMinute: number) {
    this.#rate = new RateLimit(perMinute);
  }

  reconfigure(perMinute: number): void {
    this.#rate.perMinute = perMinute;
  }

  /** Counts one message. */
  check(client: Client, now: Instant): Decision {
    if (client.login !== undefined || client.relayNetwork) return accepted;
    const key = networkKey(client.address);
    return key === undefined || this.#rate.take(key, now) ? accepted : tooMany;
  }
}
