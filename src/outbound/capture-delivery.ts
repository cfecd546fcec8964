/**
 * Delivery into the captured mail. The spool has the content already, and mostly the entry, too: a message whose route is
 * known when it arrives is listed by the commit that accepts it. What was queued before its route became `capture`, and
 * what we make ourselves, is listed in the transaction of the outcome.
 */
import type { DeliveryAgent, DeliveryJob, DeliveryResult } from "../queue/delivery-agent.ts";

export class CaptureDelivery implements DeliveryAgent {
  async deliver({ message, recipients }: DeliveryJob): Promise<DeliveryResult> {
    const late = recipients.filter(({ captured }) => captured !== true).map(({ index }) => index);
    const diagnostic = { type: "x-posthaste", text: `captured as ${message.id}; nothing left this machine` } as const;
    const outcome = { kind: "delivered", status: "2.0.0", diagnostic } as const;
    return {
      outcomes: recipients.map(({ index }) => ({ index, outcome })),
      ...(late.length !== 0 && { captured: late }),
    };
  }

  async close(): Promise<void> {}
}
