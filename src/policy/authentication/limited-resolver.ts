/**
 * A resolver whose patience ends for all questions of one message at once: after {@link LimitedResolver.giveUp} every
 * question, also one that was asked before, is answered with a failure. So each check ends in its own way of saying "try
 * again later", and none needs a timer. The look-up that is left behind is bounded by the resolver that makes it.
 */
import type { DnsAnswer, RecordType, Resolver } from "../../ports/resolver.ts";

type Failure = Extract<DnsAnswer<RecordType>, { readonly kind: "failure" }>;

const failure: Failure = { kind: "failure", reason: "the checks of this message took too long" };

export class LimitedResolver implements Resolver {
  readonly #resolver: Resolver;
  readonly #waiting = new Set<(answer: Failure) => void>();
  #over = false;

  constructor(resolver: Resolver) {
    this.#resolver = resolver;
  }

  query<T extends RecordType>(
    name: string,
    type: T,
    options?: { readonly signal?: AbortSignal },
  ): Promise<DnsAnswer<T>> {
    if (this.#over) return Promise.resolve(failure);
    return new Promise((resolve, reject) => {
      this.#waiting.add(resolve);
      this.#resolver.query(name, type, options).then(
        (answer) => {
          this.#waiting.delete(resolve);
          resolve(answer);
        },
        (error: unknown) => {
          this.#waiting.delete(resolve);
          reject(error instanceof Error ? error : new Error(String(error)));
        },
      );
    });
  }

  giveUp(): void {
    this.#over = true;
    for (const resolve of this.#waiting) resolve(failure);
    this.#waiting.clear();
  }
}
