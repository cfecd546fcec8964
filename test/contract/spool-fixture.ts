/**
 * What tests of spools share: messages, requests and outcomes to begin with, and readers of what is stored. The suite that
 * every spool passes is spool-contract.ts.
 */
import assert from "node:assert/strict";
import type { HistoryEvent } from "../../src/events/history-event.ts";
import {
  SpoolError,
  type ClaimedMessage,
  type ClaimRequest,
  type ClaimTerms,
  type Content,
  type NewMessage,
  type NewRecipient,
  type RecipientChange,
  type Spool,
  type StoredRecipient,
} from "../../src/spool/spool.ts";
import { QueueIds } from "../../src/spool/queue-id.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

export interface SpoolHarness extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly spool: Spool;
  /** As a crash of the process would: nothing is closed in order; then a new spool over what is durable. */
  crash(): Promise<Spool>;
}

/** One test of the suite, on a spool of its own. */
export type Check = (title: string, body: (harness: SpoolHarness) => Promise<void>) => void;

export const terms: ClaimTerms = { leaseMs: 60_000, retryDelaysMs: [300_000, 600_000] };

export function request(changes: Partial<ClaimRequest> = {}): ClaimRequest {
  return { ...terms, limit: 100, perDomainMax: 100, excludeDomains: [], ...changes };
}

export const ids = new QueueIds(new ManualClock(), new SeededRandom(7));

export function recipient(address: string, more: Partial<NewRecipient> = {}): NewRecipient {
  return { address, domain: address.slice(address.lastIndexOf("@") + 1), ...more };
}

/** A message for the recipients named; a string is an address. */
export function draft(to: readonly (string | NewRecipient)[], more: Partial<NewMessage> = {}): NewMessage {
  return {
    id: ids.next(),
    receivedAt: Date.UTC(2026, 0, 1),
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
      eightBit: true,
      binary: false,
      subject: "Grüße \u{1f4ee}",
    },
    headerBlock: "Received: from client.test\r\n\tby mail.test; Thu, 1 Jan 2026 00:00:00 +0000\r\n",
    recipients: to.map((item) => (typeof item === "string" ? recipient(item) : item)),
    ...more,
  };
}

export function accepted(message: NewMessage, size = 0): HistoryEvent {
  return {
    kind: "message-accepted",
    at: message.receivedAt,
    message: message.id,
    from: message.reversePath,
    recipients: message.recipients.map(({ address }) => address),
    size,
    client: "client.test [192.0.2.1]",
    protocol: "ESMTP",
  };
}

/** Commits a message in one piece. */
export async function put(
  spool: Spool,
  message: NewMessage,
  options: {
    readonly content?: Uint8Array | string;
    readonly claim?: ClaimTerms;
    readonly events?: HistoryEvent[];
  } = {},
): Promise<ClaimedMessage | undefined> {
  await using writer = spool.begin();
  const content = Buffer.from(options.content ?? "Subject: hello\r\n\r\nHello.\r\n");
  await writer.append(content);
  const { claim, events = [accepted(message, content.length)] } = options;
  const { claimed } = await writer.commit(message, claim === undefined ? { events } : { claim, events });
  return claimed;
}

export async function putClaimed(spool: Spool, to: readonly (string | NewRecipient)[]): Promise<ClaimedMessage> {
  const claimed = await put(spool, draft(to), { claim: terms });
  assert.ok(claimed);
  return claimed;
}

export async function recipientsOf(spool: Spool, id: string): Promise<readonly StoredRecipient[]> {
  const found = await spool.message(id);
  assert.ok(found, `message ${id} is known`);
  return found.recipients;
}

export async function statesOf(spool: Spool, id: string): Promise<readonly string[]> {
  return (await recipientsOf(spool, id)).map(({ state }) => state);
}

/** All octets, read both ways where there are two. */
export async function contentOf(spool: Spool, id: string): Promise<Buffer | undefined> {
  const content: Content | undefined = await spool.openContent(id);
  if (content === undefined) return undefined;
  await using opened = content;
  const chunks: Uint8Array[] = [];
  for await (const chunk of opened.chunks()) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  assert.equal(opened.size, bytes.length);
  if (opened.whole !== undefined) assert.deepEqual(Buffer.from(opened.whole), bytes);
  return bytes;
}

export function settle(
  spool: Spool,
  claimed: ClaimedMessage,
  changes: readonly RecipientChange[],
  more: Partial<Parameters<Spool["settle"]>[0]> = {},
): Promise<boolean> {
  const { message, token } = claimed;
  return spool.settle({ message: message.id, token, changes, reports: [], events: [], ...more });
}

export function isSpoolError(code: SpoolError["code"]): (error: unknown) => boolean {
  return (error) => error instanceof SpoolError && error.code === code;
}

export const delivered = (index: number): RecipientChange => ({ index, to: "delivered", reply: "250 2.0.0 ok" });

export function deferred(
  index: number,
  due: number,
  more: { readonly warned?: true; readonly uncounted?: true } = {},
): RecipientChange {
  return { index, to: "scheduled", due, reply: "451 4.3.0 later", ...more };
}
