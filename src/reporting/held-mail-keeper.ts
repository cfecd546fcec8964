/**
 * Nothing is held in silence, nor forever. What is held and older than a day is told each day in the log and to the
 * postmaster, and stands in `/readyz`; at the age of `queue.expire` it is given up, and its sender gets a report.
 *
 * Giving up takes two steps, and a crash between them must not have the sender told twice: what is owed is written down
 * first, and not again where the history has the report.
 */
import type { Intake } from "../intake/intake.ts";
import type { Letter } from "../intake/letter.ts";
import { ClockSteps } from "../lib/clock-steps.ts";
import { formatDate } from "../message/date.ts";
import { makeMessageId, messageIdRandomBytes } from "../message/message-id.ts";
import type { Instant } from "../lib/instant.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import { logTrouble } from "../spool/spool-trouble.ts";
import type { QueueId } from "../spool/queue-id.ts";
import type { FoundRecipient, Spool } from "../spool/spool.ts";
import type { FindReportDestination } from "./report-destination.ts";
import { Rounds } from "./rounds.ts";
import type { ReportGatherer } from "./report-gatherer.ts";
import { logHistory } from "../history/history-log.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** After a start there is mail to be seen to first. */
const firstDelayMs = 120_000;
const pageMax = 500;
/** Lines of a notice; the command shows the others. */
const listedMax = 20;

export const noticesNamespace = "held-notices";
const lastKey = "last";

export interface HeldMail {
  /** Recipients that are held and whose message is older than a day. */
  readonly recipients: number;
  /** When the oldest of them was received. */
  readonly oldest: Instant;
}

export interface HeldMailKeeperOptions {
  readonly spool: Spool;
  readonly gatherer: Pick<ReportGatherer, "owe">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly nextId: () => QueueId;
  readonly findDestination: FindReportDestination;
  readonly settings: () => { readonly hostname: string; readonly expireMs: number };
  readonly intake: Pick<Intake, "store">;
}

export class HeldMailKeeper {
  readonly #options: HeldMailKeeperOptions;
  readonly #clockSteps: ClockSteps;
  readonly #rounds: Rounds;
  #held: HeldMail | undefined;

  constructor(options: HeldMailKeeperOptions) {
    this.#options = options;
    this.#clockSteps = new ClockSteps(options.clock);
    this.#rounds = new Rounds(options.clock, async () => {
      await this.#round().catch((error: unknown) => logTrouble(options.log, "looking through held mail", error));
      return hourMs;
    });
  }

  /** What the last round found; undefined: nothing. */
  get held(): HeldMail | undefined {
    return this.#held;
  }

  start(): void {
    this.#rounds.start(firstDelayMs);
  }

  /** Resolves when nothing is being written any more. */
  close(): Promise<void> {
    return this.#rounds.close();
  }

  async #round(): Promise<void> {
    const { clock, settings } = this.#options;
    const now = clock.now();
    const { expireMs } = settings();
    let recipients = 0;
    let oldest = now;
    const shown: FoundRecipient[] = [];
    for await (const found of this.#heldBefore(now - dayMs)) {
      if (this.#rounds.isClosed) return;
      const { receivedAt } = found.message;
      if (now >= this.#clockSteps.whenAged(receivedAt, expireMs)) {
        await this.#giveUp(found);
        continue;
      }
      recipients++;
      oldest = Math.min(oldest, receivedAt);
      if (shown.length < listedMax) shown.push(found);
    }
    this.#held = recipients === 0 ? undefined : { recipients, oldest };
    if (this.#held !== undefined) await this.#tell(this.#held, shown, now);
  }

  /** What of it is given up meanwhile changes nothing of the pages to come. */
  async *#heldBefore(time: Instant): AsyncGenerator<FoundRecipient> {
    let after: { readonly message: QueueId; readonly index: number } | undefined;
    for (;;) {
      const page = await this.#options.spool.find(
        { states: ["held"] },
        { limit: pageMax, ...(after !== undefined && { after }) },
      );
      for (const found of page) if (found.message.receivedAt <= time) yield found;
      const last = page.at(-1)?.recipient;
      if (page.length < pageMax || last === undefined) return;
      after = { message: last.message, index: last.index };
    }
  }

  async #giveUp({ message, recipient }: FoundRecipient): Promise<void> {
    const { spool, gatherer, clock, log } = this.#options;
    const { address, held } = recipient;
    const by = held?.by ?? "nobody";
    const reason = `The message was held by ${by} and was not released: ${held?.reason ?? "no reason given"}`;
    const outcome = { kind: "deferred", status: "4.7.0", owner: "policy", reason } as const;
    const events = await spool.events(message.id);
    const told = events.some(
      (event) => event.kind === "report-queued" && event.action === "failed" && event.recipients.includes(address),
    );
    if (!told) {
      await gatherer.owe({
        message,
        attempts: [{ recipient, outcome, expired: true }],
        openContent: async () => {
          const content = await spool.openContent(message.id);
          if (content === undefined) throw new Error(`The content of ${message.id} is not in the spool`);
          return content;
        },
      });
    }
    await spool.remove({ message: message.id, to: address, states: ["held"] }, "expiry");
    const attempt = { number: recipient.attempts, durationMs: 0, route: "none (held)", outcome };
    const facts = { at: clock.now(), message: message.id, recipient: recipient.index, address, attempt };
    logHistory(log, message, [{ kind: "recipient-expired", ...facts }]);
  }

  /** Once a day, restarts or not. */
  async #tell({ recipients, oldest }: HeldMail, shown: readonly FoundRecipient[], now: Instant): Promise<void> {
    const { spool, intake, log } = this.#options;
    const last = await spool.getRecord(noticesNamespace, lastKey);
    if (typeof last === "number" && last <= now && now < last + dayMs) return;
    log.event("mail-held-long", { recipients, oldest: new Date(oldest).toISOString() });
    const notice = await this.#notice(recipients, shown, now);
    const records = [{ kind: "put", namespace: noticesNamespace, key: lastKey, value: now }] as const;
    if (notice === undefined) {
      await spool.changeRecords(records);
      return;
    }
    await intake.store(notice, { records });
  }

  async #notice(recipients: number, shown: readonly FoundRecipient[], now: Instant): Promise<Letter | undefined> {
    const { random, nextId, findDestination, settings } = this.#options;
    const { hostname } = settings();
    const postmaster = `postmaster@${hostname}`;
    const destination = await findDestination(postmaster);
    if (destination.kind === "nobody") return undefined;
    const from = `Mail Delivery System <mailer-daemon@${hostname}>`;
    const subject = `${recipients === 1 ? "1 recipient is" : `${recipients} recipients are`} on hold on ${hostname}`;
    const messageId = makeMessageId({ at: now, random: random.bytes(messageIdRandomBytes), host: hostname });
    const text = [
      `From: ${from}`,
      `To: <${postmaster}>`,
      `Subject: ${subject}`,
      `Date: ${formatDate(now)}`,
      `Message-ID: ${messageId}`,
      "Auto-Submitted: auto-generated",
      "MIME-Version: 1.0",
      "Content-Type: text/plain; charset=us-ascii",
      "",
      "This mail is on hold and older than a day. It is not delivered until you release it.",
      "When it expires, its sender receives a report that it was not delivered.",
      "",
      ...shown.map(({ message, recipient }) => lineOf(message.id, recipient.address, recipient.held)),
      ...(recipients > shown.length ? [`... and ${recipients - shown.length} more`] : []),
      "",
      "posthaste queue list --state held     list all held mail",
      "posthaste queue release MESSAGE       deliver a message",
      "posthaste queue remove MESSAGE        delete a message",
      "",
    ].join("\r\n");
    return {
      id: nextId(),
      at: now,
      content: Buffer.from(text),
      reversePath: "",
      recipients: destination.recipients,
    };
  }
}

function lineOf(id: QueueId, address: string, held: FoundRecipient["recipient"]["held"]): string {
  const line = `${id}  ${address}  held by ${held?.by ?? "nobody"}: ${held?.reason ?? ""}`;
  return line.replaceAll(/[^ -~]/g, "?").slice(0, 500);
}
