/** Which keys sign for a domain, now: looked up for each message, so kept by domain. */
import type { SigningKey } from "../dkim/signing-key.ts";
import type { Instant } from "../lib/instant.ts";
import type { HeldKey } from "./held-keys.ts";
import { type LifecycleTerms, maySign } from "./key-lifecycle.ts";
import { keyName } from "./key-store.ts";

/** RSA first: every verifier knows it, and some look at the topmost signature only. */
const algorithms = ["rsa-sha256", "ed25519-sha256"] as const;
const none: readonly SigningKey[] = [];

export class KeyRing {
  readonly #byName = new Map<string, HeldKey>();
  readonly #byDomain = new Map<string, HeldKey[]>();

  get(name: string): HeldKey | undefined {
    return this.#byName.get(name);
  }

  /** In no order. */
  all(): Iterable<HeldKey> {
    return this.#byName.values();
  }

  ofDomain(domain: string): readonly HeldKey[] {
    return this.#byDomain.get(domain) ?? [];
  }

  put(held: HeldKey): void {
    const name = keyName(held.stored);
    this.remove(name);
    this.#byName.set(name, held);
    const { domain } = held.stored;
    this.#byDomain.set(domain, [...this.ofDomain(domain), held]);
  }

  remove(name: string): void {
    const held = this.#byName.get(name);
    if (held === undefined) return;
    this.#byName.delete(name);
    const { domain } = held.stored;
    const others = this.ofDomain(domain).filter((other) => other !== held);
    if (others.length > 0) this.#byDomain.set(domain, others);
    else this.#byDomain.delete(domain);
  }

  /**
   * For an author of `domain` (A-labels, lower case): its own keys, else those of the nearest parent that has some,
   * which still aligns for DMARC (RFC 9989 §4.4.1). One for each algorithm.
   */
  signingKeysFor(domain: string, now: Instant, terms: LifecycleTerms): readonly SigningKey[] {
    if (this.#byDomain.size === 0) return none;
    for (let at = 0; at !== -1;) {
      const keys = this.#usable(at === 0 ? domain : domain.slice(at), now, terms);
      if (keys.length > 0) return keys;
      const dot = domain.indexOf(".", at);
      at = dot === -1 ? -1 : dot + 1;
    }
    return none;
  }

  #usable(domain: string, now: Instant, terms: LifecycleTerms): readonly SigningKey[] {
    const held = this.#byDomain.get(domain);
    if (held === undefined) return none;
    const keys: SigningKey[] = [];
    for (const algorithm of algorithms) {
      let best: HeldKey | undefined;
      for (const candidate of held) {
        const { signing, stored } = candidate;
        if (signing?.algorithm !== algorithm || !maySign(stored.state, now, terms)) continue;
        if (best === undefined || preference(candidate) > preference(best)) best = candidate;
      }
      if (best?.signing !== undefined) keys.push(best.signing);
    }
    return keys;
  }
}

/** Active ones first, then the newest. */
function preference({ stored: { state } }: HeldKey): number {
  return state.kind === "active" ? Number.MAX_SAFE_INTEGER : state.since;
}
