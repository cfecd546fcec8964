/**
 * The only way in for a message, whoever brings it. Begins a submission for each: what is checked, what is put on top, what
 * the history tells first, and who may send it at once, is decided there and nowhere else.
 */
import { CommitHealth } from "./commit-health.ts";
import type { Envelope } from "./envelope.ts";
import { composeLetter, envelopeOfLetter, originOfLetter } from "./compose-letter.ts";
import type { Letter, WithLetter } from "./letter.ts";
import type { Origin } from "./origin.ts";
import type { GeneratedMessage } from "../spool/spool.ts";
import type { IntakeServices, IntakeSettings } from "./services.ts";
import { type Accepted, Submission, type SubmissionOutcome } from "./submission.ts";

export class Intake {
  readonly #services: IntakeServices;
  readonly #health: CommitHealth;
  #settings: IntakeSettings;

  constructor(services: IntakeServices, settings: IntakeSettings) {
    this.#services = services;
    this.#settings = settings;
    this.#health = new CommitHealth(services.clock);
  }

  /** For messages that begin from now on. */
  reconfigure(settings: IntakeSettings): void {
    this.#settings = settings;
  }

  /** Whether the spool took what was committed last. */
  get takesMail(): boolean {
    return this.#health.takesMail;
  }

  /** How long the last commit took, in milliseconds; 0: there was none lately. */
  get spoolDelayMs(): number {
    return this.#health.delayMs;
  }

  /** The envelope is complete, and the content may come. */
  begin(origin: Origin, envelope: Envelope): Submission {
    return new Submission({
      services: this.#services,
      settings: this.#settings,
      health: this.#health,
      store: (letter, more) => this.#store(letter, more),
      origin,
      envelope,
    });
  }

  /** Stores a message of ours, and hands it to the queue. Rejects where the spool does, which then keeps nothing. */
  async store(letter: Letter, more: WithLetter = {}): Promise<void> {
    const accepted = await this.#store(letter, more);
    accepted.handOver();
  }

  /** For a letter that is stored in the transaction of what it tells of. */
  compose(letter: Letter): Promise<GeneratedMessage> {
    return composeLetter(this.#services, this.#settings.hostname, letter);
  }

  async #store(letter: Letter, more: WithLetter): Promise<Accepted> {
    const submission = this.begin(originOfLetter(letter, more), envelopeOfLetter(letter));
    let outcome: SubmissionOutcome;
    try {
      outcome = (await submission.push([letter.content])) ?? (await submission.finish());
    } catch (error) {
      submission.abandon();
      throw error;
    }
    if (outcome?.verdict === "accept") return outcome;
    throw outcome?.cause ?? new Error(`a message of this server was refused: ${outcome?.reason}`);
  }
}
