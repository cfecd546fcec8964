/**
 * Forwarding, put together: what `intake/` asks of it for each message that a local address forwards, and what `inbound/` asks
 * for each recipient that is a rewritten reverse-path.
 *
 * No signature is made here besides the seal; docs/decisions/forwarded-mail-is-not-signed.md tells why.
 */
import type { Mailbox } from "../address/mailbox.ts";
import type { ReversedRecipient } from "../address/srs.ts";
import type { ArcOutcome } from "../arc/arc-outcome.ts";
import { ArcSealer, type SealResult } from "../arc/arc-sealer.ts";
import type { BodyHashes } from "../dkim/body-hashes.ts";
import type { HeaderSection } from "../message/header-section.ts";
import type { Clock } from "../ports/clock.ts";
import type { SignatureCrypto } from "../ports/crypto.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Spool } from "../spool/spool.ts";
import type { ForwardedCopy, ForwardedMessage, Forwarding, PendingForward } from "./forwarding.ts";
import { RewritingKeys } from "./rewriting-keys.ts";
import { SealKeys, type KeysFor } from "./seal-keys.ts";
import { SenderRewriting } from "./sender-rewriting.ts";
import type { ForwardingOptions } from "./settings.ts";
import { logTrouble } from "../spool/spool-trouble.ts";

export interface ForwardingParts {
  readonly spool: Spool;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: SignatureCrypto;
  readonly log: Log;
  /** Keys that may sign for a domain, published. */
  readonly keysFor: KeysFor;
}

export class MessageForwarding implements Forwarding, AsyncDisposable {
  readonly #parts: ForwardingParts;
  readonly #keys: RewritingKeys;
  readonly #rewriting: SenderRewriting;
  readonly #sealKeys: SealKeys;
  #options: ForwardingOptions;

  private constructor(parts: ForwardingParts, keys: RewritingKeys, options: ForwardingOptions) {
    this.#parts = parts;
    this.#keys = keys;
    this.#options = options;
    this.#rewriting = new SenderRewriting({ ...parts, keys }, options);
    this.#sealKeys = new SealKeys(parts);
  }

  /** Makes the first key where there is none. Rejects where the spool does. */
  static async open(parts: ForwardingParts, options: ForwardingOptions): Promise<MessageForwarding> {
    return new MessageForwarding(parts, await RewritingKeys.open(parts, secretsOf(options)), options);
  }

  /** From the next message on. */
  reconfigure(options: ForwardingOptions): void {
    this.#options = options;
    this.#keys.reconfigure(secretsOf(options));
    this.#rewriting.reconfigure(options);
  }

  begin(header: HeaderSection, bodies: BodyHashes): PendingForward {
    const options = this.#options;
    // Whose key seals is known only at the end, and then it is too late to begin with the body.
    if (options.seal) bodies.request("relaxed", "sha256");
    return {
      finish: async (message): Promise<ForwardedCopy> => {
        const [reversePath, sealing] = await Promise.all([
          this.#rewriting.rewrite(message.reversePath),
          this.#seal(header, bodies, message, options),
        ]);
        return sealing.kind === "sealed"
          ? { form: { reversePath, headerBlock: sealing.fields } }
          : { form: { reversePath, headerBlock: "" }, unsealed: sealing.reason };
      },
    };
  }

  reverse(recipient: Mailbox): ReversedRecipient | undefined | Promise<ReversedRecipient | undefined> {
    return this.#rewriting.reverse(recipient);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keys.close();
  }

  /** A seal is a recommendation: mail goes on without one where none can be made. */
  async #seal(
    header: HeaderSection,
    bodies: BodyHashes,
    { domain, results, arc = noChain }: ForwardedMessage,
    options: ForwardingOptions,
  ): Promise<SealResult> {
    const { clock, crypto, log } = this.#parts;
    if (!options.seal) return { kind: "unsealed", reason: "turned-off" };
    const key = this.#sealKeys.choose(domain, options);
    if (key === undefined) return { kind: "unsealed", reason: "no-key" };
    // Our seal on a chain that nobody looked at would vouch for it.
    if (arc === noChain && header.first("arc-seal") !== undefined) {
      return { kind: "unsealed", reason: "chain-unchecked" };
    }
    const context = { key, crypto, now: clock.now(), authservId: options.authservId };
    try {
      return await new ArcSealer(header, bodies, context).finish({ arc, results });
    } catch (error) {
      logTrouble(log, `sealing for ${key.domain}`, error);
      return { kind: "unsealed", reason: "fault" };
    }
  }
}

/** In place of what nobody looked for. */
const noChain: ArcOutcome = {
  result: "none",
  detail: "The client's mail is not checked",
  instance: 0,
  newestSealSaysFail: false,
  sealers: [],
};

function secretsOf({ secret = [] }: ForwardingOptions): readonly string[] {
  return typeof secret === "string" ? [secret] : secret;
}
