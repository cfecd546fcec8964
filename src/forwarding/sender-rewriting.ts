/**
 * Reverse-paths of forwarded mail: made into addresses of ours, and turned back when a bounce comes. The form is
 * `address/srs.ts`'s; this adds which reverse-paths are rewritten, and keeps in the spool the originals that are too
 * long to travel inside another address, as those of bulk mail often are.
 */
import { formatMailbox, parseMailbox } from "../address/mailbox-text.ts";
import type { Mailbox } from "../address/mailbox.ts";
import { type ReversedRecipient, reverseSrs, srsFor, srsForToken, srsToken, srsValidDays } from "../address/srs.ts";
import { keepNewest } from "../lib/newest.ts";
import type { Clock } from "../ports/clock.ts";
import type { Spool } from "../spool/spool.ts";
import type { RewritingKeys } from "./rewriting-keys.ts";
import { type ForwardingOptions, rewritingDomain } from "./settings.ts";

export const keptNamespace = "srs-kept";
const dayMs = 86_400_000;
/** Longer than any address made for it is valid, by the day during which it is not written again. */
const keptMs = (srsValidDays + 3) * dayMs;
/** Tokens remembered as written, some 100 octets each. A forgotten one is written again, no more. */
const writtenMax = 10_000;

const expired: ReversedRecipient = { kind: "expired" };

export interface SenderRewritingParts {
  readonly spool: Pick<Spool, "getRecord" | "changeRecords">;
  readonly clock: Clock;
  readonly keys: Pick<RewritingKeys, "signing" | "all">;
}

export class SenderRewriting {
  readonly #parts: SenderRewritingParts;
  #options: ForwardingOptions;
  #domain: string;
  /** When the original behind a token was last written. */
  readonly #written = new Map<string, number>();

  constructor(parts: SenderRewritingParts, options: ForwardingOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#domain = rewritingDomain(options);
  }

  reconfigure(options: ForwardingOptions): void {
    this.#options = options;
    this.#domain = rewritingDomain(options);
  }

  /** `reversePath` and the result ready for the wire. Rejects where the spool cannot keep a long one. */
  async rewrite(reversePath: string): Promise<string> {
    // The null reverse-path stays (RFC 5321 §4.5.5): a bounce that fails must not come back.
    if (reversePath === "" || !this.#options.rewrite_sender) return reversePath;
    const original = parseMailbox(reversePath);
    // Bounces to our own domains find their way as they are, and so do our own rewritten addresses on a second round.
    if (original === undefined || this.#isOurs(original.domainKey)) return reversePath;
    const { clock, keys } = this.#parts;
    const signing = { domain: this.#domain, key: keys.signing, now: clock.now() };
    const rewritten = srsFor(original, signing);
    if (rewritten !== undefined) return formatMailbox(rewritten);
    const token = srsToken(original, signing.key);
    await this.#keep(token, reversePath, signing.now);
    return formatMailbox(srsForToken(token, signing));
  }

  /** Where mail to this recipient goes; `undefined`: it is no rewritten reverse-path of ours. */
  reverse(recipient: Mailbox): ReversedRecipient | undefined | Promise<ReversedRecipient> {
    const { clock, keys } = this.#parts;
    const reversed = reverseSrs(recipient.localPart, keys.all, clock.now());
    // Under another name it is ours where one of our keys made it: the domain, or the host, was called so before.
    if (reversed?.kind === "forged" && recipient.domainKey !== this.#domain) return undefined;
    return reversed?.kind === "stored" ? this.#kept(reversed.token) : reversed;
  }

  #isOurs(domainKey: string): boolean {
    return domainKey === this.#domain || this.#options.isOwnDomain(domainKey);
  }

  async #keep(token: string, address: string, now: number): Promise<void> {
    const written = this.#written.get(token);
    if (written !== undefined && now - written < dayMs) return;
    const put = { kind: "put", namespace: keptNamespace, key: token, value: address, expiresAt: now + keptMs } as const;
    await this.#parts.spool.changeRecords([put]);
    keepNewest(this.#written, token, now, writtenMax);
  }

  async #kept(token: string): Promise<ReversedRecipient> {
    const value = await this.#parts.spool.getRecord(keptNamespace, token);
    const mailbox = typeof value === "string" ? parseMailbox(value) : undefined;
    return mailbox === undefined ? expired : { kind: "address", mailbox };
  }
}
