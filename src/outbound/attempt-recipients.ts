/**
 * The recipients of one attempt: who still waits for a server, whom the present server cannot take, and what was settled for
 * whom. Promises one outcome for each recipient, which the last one that settles gives.
 */
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import type { RecipientOutcome } from "../queue/delivery-agent.ts";
import { isWirePath } from "../smtp/client/commands.ts";
import type { StoredRecipient } from "../spool/spool.ts";
import { impossible } from "./delivery-verdict.ts";

export class AttemptRecipients {
  readonly #all: readonly StoredRecipient[];
  readonly #outcomes: RecipientOutcome[] = [];
  #pending: StoredRecipient[];
  /** Recipients that the present server cannot take. */
  #aside: StoredRecipient[] = [];
  /** A server of the site talked to us: what breaks after that may lie with the message. */
  #answered = false;
  /** An address was left out, since too many of our deliveries are under way to it. */
  #addressSkipped = false;

  constructor(recipients: readonly StoredRecipient[]) {
    this.#all = recipients;
    this.#pending = [...recipients];
  }

  get outcomes(): readonly RecipientOutcome[] {
    return this.#outcomes;
  }

  get pending(): readonly StoredRecipient[] {
    return this.#pending;
  }

  noteAnswer(): void {
    this.#answered = true;
  }

  noteSkippedAddress(): void {
    this.#addressSkipped = true;
  }

  /** The next ones for a transaction, in their order; whoever takes them settles them or gives them back. */
  take(max: number): StoredRecipient[] {
    return this.#pending.splice(0, max);
  }

  giveBack(recipients: readonly StoredRecipient[]): void {
    this.#pending.unshift(...recipients);
  }

  putAside(recipient: StoredRecipient): void {
    this.#aside.push(recipient);
  }

  /** Whether there were any. */
  takeUpAside(): boolean {
    const aside = this.#aside;
    this.#aside = [];
    this.giveBack(aside);
    return aside.length > 0;
  }

  settle({ index }: StoredRecipient, outcome: DeliveryOutcome): void {
    const site =
      outcome.kind !== "deferred"
        ? undefined
        : this.#answered
          ? "answered"
          : this.#addressSkipped
            ? "not-asked"
            : undefined;
    this.#outcomes.push({ index, outcome, ...(site !== undefined && { site }) });
  }

  settlePending(outcomeFor: (recipient: StoredRecipient) => DeliveryOutcome): void {
    for (const recipient of this.#pending) this.settle(recipient, outcomeFor(recipient));
    this.#pending = [];
  }

  /** After a bug: for all that have no outcome yet, wherever they are. */
  settleUnsettled(outcome: DeliveryOutcome): void {
    const settled = new Set(this.#outcomes.map(({ index }) => index));
    this.#pending = this.#all.filter(({ index }) => !settled.has(index));
    this.settlePending(() => outcome);
  }

  /** Addresses that no parser should have let through; here they would become commands. */
  settleUnsendable(reversePath: string): void {
    if (!isWirePath(reversePath)) {
      const reason = "the sender's address cannot be put into a command";
      this.settlePending(() => impossible("5.1.7", "local-trouble", reason));
    }
    this.#pending = this.#pending.filter((recipient) => {
      if (recipient.address !== "" && isWirePath(recipient.address)) return true;
      const reason = "the recipient's address cannot be put into a command";
      this.settle(recipient, impossible("5.1.3", "local-trouble", reason));
      return false;
    });
  }
}
