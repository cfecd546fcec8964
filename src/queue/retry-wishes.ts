/**
 * What a person wants tried now, although its site rests. Which sites a filter leads to is not known before its
 * recipients are routed, so each wish is kept, and a rest ends when a recipient comes that a wish means which is newer
 * than the rest.
 */
import { isMeant } from "../spool/recipient-state.ts";
import type { RecipientFilter } from "../spool/spool.ts";
import type { ReadyJob } from "./site.ts";

/** A rest lasts a quarter of an hour at most; who asks more often than this within it asks by script, for the same. */
const wishesMax = 100;

export class RetryWishes {
  readonly #wishes: { readonly filter: RecipientFilter; readonly number: number }[] = [];
  #count = 0;

  add(filter: RecipientFilter): void {
    this.#wishes.push({ filter, number: ++this.#count });
    if (this.#wishes.length > wishesMax) this.#wishes.shift();
  }

  /** How many there were so far: what a site remembers when its rest begins. */
  get count(): number {
    return this.#count;
  }

  /** Whether someone has asked for one of these recipients since the rest of their site began. */
  includes({ claim, recipients, site }: ReadyJob): boolean {
    return this.#wishes.some(
      ({ filter, number }) =>
        number > site.wishesBeforeRest && recipients.some((recipient) => isMeant(filter, claim.message, recipient)),
    );
  }
}
