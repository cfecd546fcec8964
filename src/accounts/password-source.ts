/**
 * Someone else who knows passwords: Dovecot, or the program that runs this server. Asked about each password that is none
 * of our own users', so that the time of a failure does not tell where a user is kept.
 */
import { errorText } from "../lib/error-text.ts";
import type { Clock } from "../ports/clock.ts";

/** As the client showed it, prepared (RFC 4013): no control characters, at most 255 octets each. */
export interface ShownPassword {
  readonly username: string;
  readonly password: string;
  /** IP address as text; "" for a unix socket. */
  readonly clientAddress: string;
}

export type PasswordAnswer =
  /** `login`: whose password it is: an address, or a name in the first domain. */
  | { readonly kind: "right"; readonly login: string }
  | { readonly kind: "wrong" }
  /** Nothing is said about the password; `reason` is for the log. */
  | { readonly kind: "unavailable"; readonly reason: string };

export interface PasswordSource {
  /** For logs and histories. */
  readonly name: string;
  /** May reject, which counts as unavailable. Nobody waits any more once `signal` is aborted. */
  check(shown: ShownPassword, options: { readonly signal: AbortSignal }): Promise<PasswordAnswer>;
  close?(): void;
}

/** Dovecot holds back a failure for two seconds, and may ask a directory far away. Clients wait for minutes. */
const answerWithinMs = 30_000;
/** Questions under way: as many as passwords of our own may wait. */
const pendingMax = 100;

/** Asks a source within bounds of time and number. */
export class BoundedSource {
  readonly #source: PasswordSource;
  readonly #clock: Clock;
  #pending = 0;

  constructor(source: PasswordSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  get name(): string {
    return this.#source.name;
  }

  /** Never rejects. */
  async check(shown: ShownPassword): Promise<PasswordAnswer> {
    const { name } = this.#source;
    if (this.#pending >= pendingMax) return { kind: "unavailable", reason: `too many questions wait for ${name}` };
    this.#pending++;
    const aborter = new AbortController();
    const late = Promise.withResolvers<PasswordAnswer>();
    const timer = this.#clock.setTimer(answerWithinMs, () => {
      late.resolve({ kind: "unavailable", reason: `${name} did not answer within ${answerWithinMs / 1000} seconds` });
      aborter.abort();
    });
    try {
      return await Promise.race([this.#source.check(shown, { signal: aborter.signal }), late.promise]);
    } catch (error) {
      return { kind: "unavailable", reason: `${name}: ${errorText(error)}` };
    } finally {
      timer.cancel();
      this.#pending--;
    }
  }

  close(): void {
    this.#source.close?.();
  }
}
