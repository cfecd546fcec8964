/** Delivery to nowhere: a route said `discard`. The history says so too. */
import type { DeliveryAgent, DeliveryJob, DeliveryResult } from "../queue/delivery-agent.ts";

export class DiscardDelivery implements DeliveryAgent {
  deliver({ recipients, hop }: DeliveryJob): Promise<DeliveryResult> {
    const diagnostic = { type: "x-posthaste", text: `discarded by ${hop.description}` } as const;
    const outcome = { kind: "delivered", status: "2.0.0", diagnostic } as const;
    return Promise.resolve({ outcomes: recipients.map(({ index }) => ({ index, outcome })) });
  }

  async close(): Promise<void> {}
}
