/** How much a client may get wrong in one session before it hears 421 (RFC 5321 §7.8). An accepted message clears it. */
import type { Verb } from "./command-parser.ts";
import type { Reply } from "./reply.ts";

/**
 * Commands without effect before each further one counts as an error: a client that keeps its connection warm needs a few,
 * nobody needs hundreds.
 */
const idleCommandsMax = 100;

const idleVerbs: ReadonlySet<Verb> = new Set<Verb>(["NOOP", "RSET", "HELP", "VRFY", "EXPN", "HELO", "EHLO", "LHLO"]);

export class ErrorBudget {
  readonly #limits: { readonly errorsMax: number; readonly refusedRecipientsMax: number };
  #errors = 0;
  #refusedRecipients = 0;
  #idleCommands = 0;

  constructor(limits: { readonly errorsMax: number; readonly refusedRecipientsMax: number }) {
    this.#limits = limits;
  }

  get exhausted(): boolean {
    return this.#errors >= this.#limits.errorsMax || this.#refusedRecipients >= this.#limits.refusedRecipientsMax;
  }

  /** Temporary refusals are not the client's fault. */
  countError(refusal: Reply): void {
    if (refusal.code >= 500) this.#errors++;
  }

  countRefusedRecipient(refusal: Reply): void {
    if (refusal.code >= 500) this.#refusedRecipients++;
  }

  countCommand(verb: Verb): void {
    if (idleVerbs.has(verb) && ++this.#idleCommands > idleCommandsMax) this.#errors++;
  }

  reset(): void {
    this.#errors = 0;
    this.#refusedRecipients = 0;
    this.#idleCommands = 0;
  }
}
