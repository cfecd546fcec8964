/**
 * What `posthaste dkim` does, in a running server or on a data directory at rest: make keys, replace them, remove them, list them.
 * Declared keys are read-only here. When a key begins or ends to sign is not decided here: see key-lifecycle.ts.
 */
import { domainKeyOf } from "../address/domain.ts";
import { readPrivateKey, recordText, type SigningAlgorithm } from "../dkim/signing-key.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { Clock } from "../ports/clock.ts";
import type { SignatureCrypto } from "../ports/crypto.ts";
import type { Instant } from "../lib/instant.ts";
import { holdKeys } from "./held-keys.ts";
import type { KeyKeeper } from "./key-keeper.ts";
import { afterRemoval, type LifecycleTerms } from "./key-lifecycle.ts";
import { hasPrivateHalf, type KeyStore, type StoredKey } from "./key-store.ts";
import { isSelector, newSelector } from "./selector.ts";
import type { DkimKeySettings } from "./settings.ts";

export type KeyKind = "rsa" | "ed25519";
export const keyKinds = ["rsa", "ed25519"] as const satisfies readonly KeyKind[];

/** RFC 8301 §3.2 asks for at least 2048; a longer key does not fit into one answer by UDP. */
const rsaBits = 2048;

export type KeyErrorCode =
  "invalid-domain" | "invalid-selector" | "exists" | "no-key" | "waiting" | "declared" | "last-key";

export class KeyError extends Error {
  override readonly name = "KeyError";
  readonly code: KeyErrorCode;
  constructor(code: KeyErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export interface NewKeys {
  readonly domain: string;
  /** With several kinds, `-rsa` and `-ed25519` are put behind it. Default: a name with the day. */
  readonly selector?: string;
  readonly kinds: readonly KeyKind[];
}

export interface RemovedKey {
  /** As it was. */
  readonly key: StoredKey;
  /** Its record must stay in DNS until then; absent: it can go now. */
  readonly recordNeededUntil?: Instant;
}

export interface KeyAdministrationParts {
  readonly store: KeyStore;
  readonly crypto: SignatureCrypto;
  readonly clock: Clock;
  /** Those in force. */
  readonly declared: () => readonly DkimKeySettings[];
  readonly terms: () => Pick<LifecycleTerms, "keepPublishedMs">;
  /** Absent where no server runs. */
  readonly keeper?: Pick<KeyKeeper, "list" | "added" | "remove">;
}

export class KeyAdministration {
  readonly #parts: KeyAdministrationParts;
  /** One change after the other, so that no two take one name. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: KeyAdministrationParts) {
    this.#parts = parts;
  }

  /** By domain, then age. Of one domain, or all. */
  async list(domain?: string): Promise<readonly StoredKey[]> {
    const { store, clock, declared, keeper } = this.#parts;
    const keys =
      keeper?.list() ?? holdKeys(await store.list(), declared(), clock.now()).keys.map(({ stored }) => stored);
    const wanted = domain === undefined ? undefined : domainOf(domain);
    return keys
      .filter((key) => wanted === undefined || key.domain === wanted)
      .toSorted((a, b) => compare(a.domain, b.domain) || a.createdAt - b.createdAt || compare(a.selector, b.selector));
  }

  /** The first keys of a domain, or the first of a kind. Rejects with {@link KeyError}. */
  async generate(wanted: NewKeys): Promise<readonly StoredKey[]> {
    return await this.#inTurn(async () => {
      const domain = domainOf(wanted.domain);
      const existing = await this.list(domain);
      for (const kind of wanted.kinds) {
        const other = existing.find((key) => kindOf(key) === kind && !isReplaced(key));
        if (other === undefined) continue;
        throw new KeyError(
          "exists",
          `${domain} has the ${kind} key ${other.selector} already; \`posthaste dkim rotate ${domain}\` replaces it`,
        );
      }
      return await this.#make({ ...wanted, domain }, existing);
    });
  }

  /** A successor for each kind of key that the domain has. Rejects with {@link KeyError}. */
  async rotate(name: string): Promise<readonly StoredKey[]> {
    return await this.#inTurn(async () => {
      const domain = domainOf(name);
      const existing = await this.list(domain);
      const kinds = keyKinds.filter((kind) => existing.some((key) => kindOf(key) === kind && !isReplaced(key)));
      if (kinds.length === 0) {
        throw new KeyError("no-key", `${domain} has no key; \`posthaste dkim generate ${domain}\` makes one`);
      }
      const waiting = existing.find(({ state }) => state.kind === "prepared" || state.kind === "published");
      if (waiting !== undefined) {
        const what = waiting.state.kind === "prepared" ? "has not been seen in DNS yet" : "begins to sign soon";
        throw new KeyError("waiting", `the key ${waiting.selector} of ${domain} ${what}; let it become active first`);
      }
      return await this.#make({ domain, kinds }, existing);
    });
  }

  /**
   * Takes a key out of use permanently, its private half with it. What it signed is on its way, so its record may have to
   * stay. Rejects with {@link KeyError}, also for the only active key of the domain unless `last` says so.
   */
  async remove(
    { domain: name, selector }: { readonly domain: string; readonly selector: string },
    options: { readonly last: boolean },
  ): Promise<RemovedKey> {
    return await this.#inTurn(async () => {
      const { clock, keeper, store, terms } = this.#parts;
      const domain = domainOf(name);
      const existing = await this.list(domain);
      const key = existing.find((candidate) => candidate.selector === asciiLowerCase(selector));
      if (key === undefined) throw new KeyError("no-key", `${domain} has no key named ${selector}`);
      if (key.declared === true) {
        const advice = "remove its [[dkim.key]] there, or `posthaste dkim rotate` it";
        throw new KeyError(
          "declared",
          `the key ${key.selector} of ${domain} is declared in the configuration; ${advice}`,
        );
      }
      const isActive = (candidate: StoredKey) => candidate.state.kind === "active";
      if (!options.last && isActive(key) && existing.filter(isActive).length === 1) {
        throw new KeyError(
          "last-key",
          `${key.selector} is the only active key of ${domain}; mail would leave unsigned`,
        );
      }
      const isRemoved = key.state.kind === "retiring" && !hasPrivateHalf(key);
      const state = isRemoved ? key.state : afterRemoval(key.state, clock.now(), terms());
      const { privateKey: _, ...rest } = key;
      const left = state === undefined ? undefined : { ...rest, state };
      if (keeper !== undefined) await keeper.remove(key, left);
      else await store.change(left === undefined ? { remove: [key] } : { put: [left] });
      return { key, ...(state !== undefined && { recordNeededUntil: state.retireAt }) };
    });
  }

  async #make(wanted: NewKeys, existing: readonly StoredKey[]): Promise<readonly StoredKey[]> {
    const { store, crypto, clock, keeper } = this.#parts;
    const { domain, kinds } = wanted;
    const taken = new Set(existing.map(({ selector }) => selector));
    const made: StoredKey[] = [];
    for (const kind of kinds) {
      const selector = selectorFor(kind, wanted, taken, clock.now());
      taken.add(selector);
      const privateKey = await crypto.generateKey(
        kind === "rsa" ? { type: "rsa", bits: rsaBits } : { type: "ed25519" },
      );
      const read = readPrivateKey(privateKey);
      if (read.kind === "problem") throw new Error(`a new key ${read.problem}`);
      const createdAt = clock.now();
      made.push({
        domain,
        selector,
        algorithm: read.algorithm,
        createdAt,
        privateKey,
        record: recordText(read.key),
        state: { kind: "prepared", since: createdAt },
      });
    }
    await store.change({ put: made });
    for (const key of made) keeper?.added(key);
    return made;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

export function kindOf({ algorithm }: { readonly algorithm: SigningAlgorithm }): KeyKind {
  return algorithm === "rsa-sha256" ? "rsa" : "ed25519";
}

function isReplaced({ state }: StoredKey): boolean {
  return state.kind === "retiring" || state.kind === "retired";
}

function selectorFor(kind: KeyKind, wanted: NewKeys, taken: ReadonlySet<string>, now: number): string {
  if (wanted.selector === undefined) return newSelector(now, kind, (selector) => taken.has(selector));
  const given = asciiLowerCase(wanted.selector);
  const selector = wanted.kinds.length > 1 ? `${given}-${kind}` : given;
  if (!isSelector(selector)) {
    const message = `"${wanted.selector}" is no selector; letters, digits and hyphens make one, such as mail2026`;
    throw new KeyError("invalid-selector", message);
  }
  if (taken.has(selector)) {
    throw new KeyError("exists", `${wanted.domain} has a key named ${selector}; a name is never used for another key`);
  }
  return selector;
}

function domainOf(text: string): string {
  const domain = text.startsWith("[") ? undefined : domainKeyOf(text);
  if (domain === undefined) throw new KeyError("invalid-domain", `"${text}" is not a domain such as example.org`);
  return domain;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
