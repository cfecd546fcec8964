/** A delivery job made of plain values, for testing delivery agents alone. */
import type { NextHop } from "../route/next-hop.ts";
import type { DeliveryJob } from "../queue/delivery-agent.ts";
import type { Content, StoredMessage, StoredRecipient } from "../spool/spool.ts";

export function storedMessage(changes: Partial<StoredMessage> = {}): StoredMessage {
  return {
    id: "4QJ7ZC2M9KXD",
    receivedAt: Date.UTC(2026, 0, 1),
    reversePath: "ann@sender.test",
    origin: { listener: "mx", protocol: "ESMTP" },
    body: "7BIT",
    smtpUtf8: false,
    facts: {
      receivedCount: 0,
      ownReceived: false,
      autoSubmitted: false,
      deliveredTo: [],
      utf8Header: false,
      eightBit: false,
      binary: false,
    },
    size: 0,
    headerBlock: "Received: by mx.test with ESMTP id 4QJ7ZC2M9KXD\r\n",
    ...changes,
  };
}

export function storedRecipient(address: string, index = 0): StoredRecipient {
  return {
    message: "4QJ7ZC2M9KXD",
    index,
    address,
    domain: address.slice(address.lastIndexOf("@") + 1),
    state: "claimed",
    due: 0,
    attempts: 1,
    warned: false,
  };
}

/** Content in chunks of `chunkBytes`, so that agents are tested with any split. */
export function contentOf(text: string, chunkBytes = Infinity): Content {
  const bytes = Buffer.from(text, "latin1");
  return {
    size: bytes.length,
    async *chunks() {
      for (let start = 0; start < bytes.length; start += chunkBytes) {
        yield bytes.subarray(start, Math.min(bytes.length, start + chunkBytes));
      }
    },
    async [Symbol.asyncDispose]() {},
  };
}

export function deliveryJob(options: {
  readonly hop: NextHop;
  readonly to: readonly string[];
  readonly content: string;
  readonly message?: Partial<StoredMessage>;
  readonly chunkBytes?: number;
}): DeliveryJob {
  return {
    message: storedMessage({ size: options.content.length, ...options.message }),
    recipients: options.to.map((address, index) => storedRecipient(address, index)),
    hop: options.hop,
    openContent: async () => contentOf(options.content, options.chunkBytes),
  };
}
