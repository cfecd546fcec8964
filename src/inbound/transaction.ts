/** One message in the making: its envelope, and where its recipients lead. Lives from MAIL to the end of content. */
import type { Target } from "../accounts/account-directory.ts";
import { formatMailbox } from "../address/mailbox-text.ts";
import type { Mailbox } from "../address/mailbox.ts";
import type { MailParameters, NotifyCondition, RecipientParameters, ReversePath } from "../smtp/envelope.ts";
import type { NewRecipient } from "../spool/spool.ts";

/**
 * Recipients of one message after aliases are expanded. RFC 5321 §4.5.3.1.8 bounds what a client may name; this bounds
 * what a thousand names of large aliases would come to.
 */
const expandedRecipientsMax = 10_000;

/** Why a recipient was accepted, told in the message's history. */
export interface AcceptedPath {
  readonly address: string;
  readonly reason: string;
  readonly setting?: string;
}

/** An alias with several targets whose sender wants to hear of success (RFC 3461 §5.2.7.3 c). */
export interface ExpandedAlias {
  readonly address: string;
  readonly parameters: RecipientParameters;
}

export class Transaction {
  readonly reversePath: ReversePath;
  readonly parameters: MailParameters;
  /** In the order of RCPT, one for each that was accepted, repetitions included. */
  readonly accepted: AcceptedPath[] = [];
  readonly expanded: ExpandedAlias[] = [];
  readonly #recipients = new Map<string, NewRecipient>();

  constructor(reversePath: ReversePath, parameters: MailParameters) {
    this.reversePath = reversePath;
    this.parameters = parameters;
  }

  /** Ready for the wire; "" is the null reverse-path. */
  get reversePathText(): string {
    return this.reversePath === null ? "" : formatMailbox(this.reversePath);
  }

  /** Every recipient once. */
  get recipients(): readonly NewRecipient[] {
    return [...this.#recipients.values()];
  }

  /** Whether so many more recipients fit. */
  hasRoomFor(targets: number): boolean {
    return this.#recipients.size + targets <= expandedRecipientsMax;
  }

  /** Adds what an accepted RCPT leads to. Of two ways to one recipient the first counts. */
  add(
    path: Mailbox,
    parameters: RecipientParameters,
    targets: readonly Target[],
    why: { readonly reason: string; readonly setting?: string },
  ): void {
    const address = formatMailbox(path);
    this.accepted.push({ address, ...why });
    const several = targets.length > 1;
    const success = parameters.notify?.includes("SUCCESS") ?? false;
    const notify = several && success ? withoutSuccess(parameters.notify ?? []) : parameters.notify;
    if (several && success) this.expanded.push({ address, parameters });
    for (const target of targets) {
      if (this.#recipients.has(target.key)) continue;
      this.#recipients.set(target.key, {
        address: target.address,
        domain: target.domain,
        ...(target.address === address ? undefined : { acceptedAs: address }),
        ...(notify === undefined ? undefined : { notify }),
        ...(parameters.originalRecipient === undefined
          ? undefined
          : { originalRecipient: parameters.originalRecipient }),
      });
    }
  }
}

/** Nothing left means NEVER: no NOTIFY at all would ask for reports of failure (RFC 3461 §4.1). */
function withoutSuccess(notify: readonly NotifyCondition[]): readonly NotifyCondition[] {
  const rest = notify.filter((condition) => condition !== "SUCCESS");
  return rest.length === 0 ? ["NEVER"] : rest;
}
