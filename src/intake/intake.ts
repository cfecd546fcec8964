/**
 * The only way in for a message, whoever brings it. Begins a submission for each: what is checked, what is put on top, what
 * the history tells first, and who may send it at once, is decided there and nowhere else.
 */
import { CommitHealth } from "./commit-health.ts";
import type { Envelope } from "./envelope.ts";
import type { ClientOrigin } from "./origin.ts";
import type { IntakeServices, IntakeSettings } from "./services.ts";
import { Submission } from "./submission.ts";

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

  /** The envelope is complete, and the content may come. */
  begin(origin: ClientOrigin, envelope: Envelope): Submission {
    return new Submission({
      services: this.#services,
      settings: this.#settings,
      health: this.#health,
      origin,
      envelope,
    });
  }
}
