/**
 * The resolver of one message: asks each question once, and its patience ends for all of them at once. After
 * {@link LimitedResolver.giveUp} what was answered or is at hand stays, and every other question is answered with a
 * failure, even one that is under way. So each check ends in its own way of saying "try again later", and none needs a
 * timer. A look-up that is left behind is bounded by the resolver that makes it; how many there are, by the checks.
 *
 * For answers that are at hand, as most are on a busy server, no promise waits and no timer is set.
 */
import type { Clock, Timer } from "../../ports/clock.ts";
import type { DnsAnswer, DnsAsker, RecordType, Resolver } from "../../ports/resolver.ts";

type Failure = Extract<DnsAnswer<RecordType>, { readonly kind: "failure" }>;

const noRoom: Failure = { kind: "failure", reason: "the server is too busy to keep the answer" };
const failure: Failure = { kind: "failure", reason: "the checks of this message took too long" };

export interface LimitedResolverOptions {
  /** The network of whoever sent the message; undefined: this machine. */
  readonly client?: string;
  /** Counts octets of answers, which are kept as long as the message; false: there is no room for them. */
  readonly hold?: (octets: number) => boolean;
}

export class LimitedResolver implements Resolver {
  readonly #resolver: Resolver;
  readonly #asker: DnsAsker;
  readonly #hold: (octets: number) => boolean;
  readonly #answers = new Map<string, Promise<DnsAnswer<RecordType>>>();
  readonly #waiting = new Set<(answer: Failure) => void>();
  #over = false;
  #startTimer: (() => Timer) | undefined;
  #timer: Timer | undefined;

  constructor(resolver: Resolver, { client, hold = () => true }: LimitedResolverOptions = {}) {
    this.#resolver = resolver;
    this.#hold = hold;
    this.#asker = { purpose: "inbound", message: this, ...(client !== undefined && { client }) };
  }

  /** No signal is taken: the answer may be waited for by others. */
  query<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<T>> {
    const atHand = this.#resolver.known?.(name, type);
    if (atHand !== undefined) return Promise.resolve(atHand);
    const key = `${type} ${name}`;
    // The key holds the type, so what is remembered under it is of that type.
    const known = this.#answers.get(key) as Promise<DnsAnswer<T>> | undefined;
    if (known !== undefined) return known;
    if (this.#over) return Promise.resolve(failure);
    const answer = this.#ask(name, type);
    this.#answers.set(key, answer);
    return answer;
  }

  /** Gives up as soon as answers have been waited for so long from here on, unless {@link done} comes before. */
  giveUpAfter(patienceMs: number, clock: Pick<Clock, "setTimer">): void {
    this.#startTimer = () => clock.setTimer(patienceMs, () => this.giveUp());
    if (this.#waiting.size > 0) this.#timer = this.#startTimer();
  }

  /** Nobody waits any more. */
  done(): void {
    this.#startTimer = undefined;
    this.#timer?.cancel();
  }

  giveUp(): void {
    this.#over = true;
    for (const resolve of this.#waiting) resolve(failure);
    this.#waiting.clear();
  }

  #ask<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<T>> {
    // Without anything to wait for no time passes, so the first question that must be waited for is early enough.
    this.#timer ??= this.#startTimer?.();
    return new Promise((resolve, reject) => {
      this.#waiting.add(resolve);
      this.#resolver.query(name, type, { asker: this.#asker }).then(
        (answer) => {
          this.#waiting.delete(resolve);
          resolve(this.#hold(octetsOf(answer)) ? answer : noRoom);
        },
        (error: unknown) => {
          this.#waiting.delete(resolve);
          reject(error instanceof Error ? error : new Error(String(error)));
        },
      );
    });
  }
}

/** An object, and for text what it says: no other record is long. */
const recordOctets = 100;

function octetsOf(answer: DnsAnswer<RecordType>): number {
  if (answer.kind !== "records") return recordOctets;
  return answer.records.reduce(
    (sum, record) => sum + recordOctets + (typeof record === "string" ? record.length : 0),
    recordOctets,
  );
}
