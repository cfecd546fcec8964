/** The envelope of a message in the making, and where its recipients lead. */
import type { Target } from "../accounts/account-directory.ts";
import { formatMailbox } from "../address/mailbox-text.ts";
import type { Mailbox } from "../address/mailbox.ts";
import type { Acceptance } from "../policy/decision.ts";
import type { Decider } from "../policy/policy-chain.ts";
import type { MailParameters, NotifyCondition, RecipientParameters, ReversePath } from "../smtp/envelope.ts";
import type { NewRecipient } from "../spool/spool.ts";

/**
 * Recipients of one message after aliases are expanded. RFC 5321 §4.5.3.1.8 bounds what a client may name; this bounds
 * what a thousand names of large aliases would come to.
 */
const expandedRecipientsMax = 10_000;

/** Why a recipient was accepted, told in the message's history. */
export type AcceptedPath = { readonly address: string } & Pick<Acceptance, "reason" | "setting"> & Decider;

/** One recipient that stands for several, as it was accepted. */
export interface ExpandedRecipient {
  readonly address: string;
  readonly notify?: readonly NotifyCondition[];
  readonly originalRecipient?: string;
}

export class Envelope {
  readonly reversePath: ReversePath;
  readonly parameters: MailParameters;
  /** In the order of RCPT, one for each that was accepted, repetitions included. */
  readonly accepted: AcceptedPath[] = [];
  /** Aliases with several targets: their senders may be owed a report (RFC 3461 §5.2.7.3). */
  readonly expanded: ExpandedRecipient[] = [];
  readonly #recipients = new Map<string, NewRecipient>();
  #forwardingDomain: string | undefined;

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

  /** Of the first local address that forwards; `undefined`: no recipient is `forwarded`. */
  get forwardingDomain(): string | undefined {
    return this.#forwardingDomain;
  }

  /** Whether so many more recipients fit. */
  hasRoomFor(targets: number): boolean {
    return this.#recipients.size + targets <= expandedRecipientsMax;
  }

  /** Of a message of ours, which nobody named by RCPT. */
  addRecipient(recipient: NewRecipient): void {
    this.#recipients.set(recipient.address, recipient);
  }

  /**
   * Adds what an accepted RCPT leads to. Of two ways to one recipient the first counts. `submitted`: the client sends
   * mail of its own through us, which is not forwarded mail wherever it leads.
   */
  add(
    path: Mailbox,
    parameters: RecipientParameters,
    targets: readonly Target[],
    why: Omit<AcceptedPath, "address"> & { readonly submitted: boolean } & Pick<NewRecipient, "held">,
  ): void {
    const address = formatMailbox(path);
    const { submitted, held, ...accepted } = why;
    this.accepted.push({ address, ...accepted });
    const several = targets.length > 1;
    const notify = several ? notifyWithoutSuccess(parameters.notify) : parameters.notify;
    if (several) this.expanded.push({ address, ...parameters });
    for (const target of targets) {
      if (this.#recipients.has(target.key)) continue;
      const forwarded = target.elsewhere === true && !submitted;
      if (forwarded) this.#forwardingDomain ??= path.domainKey;
      this.#recipients.set(target.key, {
        address: target.address,
        domain: target.domain,
        ...(target.address !== address && { acceptedAs: address }),
        ...(notify !== undefined && { notify }),
        ...(held !== undefined && { held }),
        ...(parameters.originalRecipient !== undefined && { originalRecipient: parameters.originalRecipient }),
        ...(forwarded && { forwarded }),
      });
    }
  }
}

/**
 * NOTIFY for the targets of an alias with several of them, whose sender gets an "expanded" report instead of success
 * (RFC 3461 §5.2.7.3), and for mail whose sender is not told of success. Nothing left means NEVER, since no NOTIFY at all
 * would ask for reports of failure (§4.1).
 */
export function notifyWithoutSuccess(
  notify: readonly NotifyCondition[] | undefined,
): readonly NotifyCondition[] | undefined {
  if (notify === undefined || !notify.includes("SUCCESS")) return notify;
  const rest = notify.filter((condition) => condition !== "SUCCESS");
  return rest.length === 0 ? ["NEVER"] : rest;
}
