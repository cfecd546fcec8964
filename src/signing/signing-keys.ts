/** Which keys sign for a domain, now: looked up for each message, so kept by domain for as long as the snapshot is the same. */
import type { SigningKey } from "../dkim/signing-key.ts";
import type { Instant } from "../lib/instant.ts";
import type { HeldKey } from "./held-keys.ts";
import { type LifecycleTerms, maySign } from "./key-lifecycle.ts";

/** What signing needs to know of the keys: data that may cross to another thread. Each change makes a new one. */
export interface KeySnapshot {
  /** Rises with each change. */
  readonly version: number;
  /** false: nothing is signed. */
  readonly sign: boolean;
  readonly terms: LifecycleTerms;
  readonly keys: readonly HeldKey[];
}

/** RSA first: every verifier knows it, and some look at the topmost signature only. */
const algorithms = ["rsa-sha256", "ed25519-sha256"] as const;
const none: readonly SigningKey[] = [];

export class SigningKeys {
  readonly #read: () => KeySnapshot;
  /** Of the snapshot that the map was made from. */
  #version = -1;
  #byDomain = new Map<string, readonly HeldKey[]>();

  /** `read`: the newest snapshot. */
  constructor(read: () => KeySnapshot) {
    this.#read = read;
  }

  /**
   * For an author of `domain` (A-labels, lower case): its own keys, else those of the nearest parent that has some,
   * which still aligns for DMARC (RFC 9989 §4.4.1). At most one for each algorithm, RSA first; none where none may sign.
   */
  forDomain(domain: string, now: Instant): readonly SigningKey[] {
    const { version, sign, terms, keys: held } = this.#read();
    if (!sign || held.length === 0) return none;
    if (version !== this.#version) {
      this.#version = version;
      this.#byDomain = Map.groupBy(held, ({ stored }) => stored.domain);
    }
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
