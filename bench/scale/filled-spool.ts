/** A spool with a long queue, written through its own interface. */
import { NodeFiles } from "../../src/node/files/node-files.ts";
import { openSqliteSpool } from "../../src/node/spool/open-sqlite-spool.ts";
import type { SqliteSpool } from "../../src/node/spool/sqlite-spool.ts";
import { SystemClock } from "../../src/node/process/system-clock.ts";
import { SystemRandom } from "../../src/node/process/system-random.ts";
import { QueueIds } from "../../src/spool/queue-id.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { NewMessage, NewRecipient } from "../../src/spool/spool.ts";
import { CollectingLog } from "../../src/testing/collecting-log.ts";

const recipientsPerMessage = 10;
/** Committed together, as a busy server would. */
const messagesAtOnce = 100;
/** Half of the recipients wait for one large domain, the others for so many small ones. */
const smallDomains = 50_000;
export const hourMs = 3_600_000;

const clock = new SystemClock();
const ids = new QueueIds(clock, new SystemRandom());
const content = Buffer.alloc(1000, "The quick brown fox jumps over the lazy dog.\r\n");

/** `aheadMs`: by how much the spool's clock is ahead, so that what is scheduled can be looked at when it is due. */
export function openSpool(directory: string, aheadMs = 0): Promise<SqliteSpool> {
  const ahead: Clock = {
    now: () => clock.now() + aheadMs,
    monotonicMs: () => clock.monotonicMs(),
    setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
    sleep: (delayMs, given) => clock.sleep(delayMs, given),
    timeout: (delayMs) => clock.timeout(delayMs),
  };
  return openSqliteSpool({ directory, clock: ahead, files: new NodeFiles(), log: new CollectingLog() });
}

export interface Fill {
  /** Recipients whose due times spread over 119 hours, ten to a message. */
  readonly scheduled?: number;
  /** When the first of them is due, from now. Default: in an hour. */
  readonly firstDueMs?: number;
  /** Messages for one recipient each that have been due for a minute, as after a stop of the server. */
  readonly due?: number;
  /** The domain of those that are due. Default: sink.test. */
  readonly dueAt?: string;
}

export async function fillSpool(directory: string, fill: Fill): Promise<void> {
  const { scheduled = 0, firstDueMs = hourMs, due = 0, dueAt = "sink.test" } = fill;
  await using spool = await openSpool(directory);
  const now = clock.now();
  const later = (): NewRecipient => {
    const domain = Math.random() < 0.5 ? "large.test" : `d${Math.floor(Math.random() * smallDomains)}.test`;
    const wait = firstDueMs + Math.floor(Math.random() * 119 * hourMs);
    return { address: `user${Math.floor(Math.random() * 1e6)}@${domain}`, domain, due: now + wait };
  };
  const many = (count: number, make: (index: number) => NewRecipient) =>
    Array.from({ length: count }, (_, n) => make(n));
  for (let left = scheduled; left > 0;) {
    const batch: Promise<void>[] = [];
    for (let message = 0; message < messagesAtOnce && left > 0; message++) {
      const count = Math.min(left, recipientsPerMessage);
      left -= count;
      batch.push(commit(spool, many(count, later)));
    }
    await Promise.all(batch);
  }
  for (let made = 0; made < due; made += messagesAtOnce) {
    await Promise.all(
      many(Math.min(messagesAtOnce, due - made), (n) => ({
        address: `due${made + n}@${dueAt}`,
        domain: dueAt,
        due: now - 60_000,
      })).map((recipient) => commit(spool, [recipient])),
    );
  }
}

async function commit(spool: SqliteSpool, recipients: readonly NewRecipient[]): Promise<void> {
  const message = draft(recipients);
  const writer = spool.begin();
  void writer.append(content);
  await writer.commit(message, {
    events: [
      {
        kind: "message-accepted",
        at: message.receivedAt,
        message: message.id,
        from: message.reversePath,
        recipients: recipients.map(({ address }) => address),
        size: content.length,
        client: "client.test [192.0.2.1]",
        protocol: "ESMTP",
        subject: "A subject of usual length for a message",
      },
    ],
  });
}

function draft(recipients: readonly NewRecipient[]): NewMessage {
  return {
    id: ids.next(),
    receivedAt: clock.now(),
    reversePath: "sender@origin.test",
    origin: { listener: "mx", protocol: "ESMTP", clientAddress: "192.0.2.1", hello: "client.test" },
    body: "8BITMIME",
    smtpUtf8: false,
    facts: {
      receivedCount: 1,
      ownReceived: false,
      autoSubmitted: false,
      deliveredTo: [],
      utf8Header: false,
      eightBit: false,
      binary: false,
      subject: "A subject of usual length for a message",
      messageId: "<20260101000000.12345@origin.test>",
      from: "Sender <sender@origin.test>",
    },
    headerBlock:
      "Received: from client.test (client.test [192.0.2.1])\r\n\tby posthaste.test with ESMTP id 4QJ7ZC2M9KXD\r\n" +
      "\tfor <recipient@target.test>; Thu, 1 Jan 2026 00:00:00 +0000\r\n",
    recipients,
  };
}
