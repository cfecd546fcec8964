/** All keys of a server, by name and by domain. */
import type { HeldKey } from "./held-keys.ts";
import { keyName } from "./key-store.ts";

export class KeyRing {
  readonly #byName = new Map<string, HeldKey>();
  readonly #byDomain = new Map<string, HeldKey[]>();

  #version = 0;

  /** Rises with each change. */
  get version(): number {
    return this.#version;
  }

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
    this.#version++;
    this.#byName.set(name, held);
    const { domain } = held.stored;
    this.#byDomain.set(domain, [...this.ofDomain(domain), held]);
  }

  remove(name: string): void {
    const held = this.#byName.get(name);
    if (held === undefined) return;
    this.#version++;
    this.#byName.delete(name);
    const { domain } = held.stored;
    const others = this.ofDomain(domain).filter((other) => other !== held);
    if (others.length > 0) this.#byDomain.set(domain, others);
    else this.#byDomain.delete(domain);
  }
}
