/**
 * The keys that an issuer publishes (RFC 7517): fetched when a token needs them, kept, and fetched again when they are
 * old or a token names a key that is not among them. However many tokens come, one fetch runs at a time, and there is a
 * pause after each. Keys that could not be refreshed are used for some hours, then nobody signs in by them: a key that its
 * issuer withdrew must stop working.
 */
import { createLocalJWKSet, type JSONWebKeySet } from "jose";
import type { Clock } from "../ports/clock.ts";
import { type ServiceClient, isSafeUrl } from "../ports/service-client.ts";
import { hostOf, requestJson } from "./json-request.ts";
import type { IssuerSettings } from "./settings.ts";

export type KeySet = ReturnType<typeof createLocalJWKSet>;

export type KeysAnswer =
  /** `fetchedAt`: wall-clock time, to compare with a token's `iat`. */
  | { readonly kind: "keys"; readonly keys: KeySet; readonly fetchedAt: number }
  | { readonly kind: "unavailable"; readonly reason: string };

interface Kept {
  readonly keys: KeySet;
  readonly fetchedAt: number;
  readonly fetchedAtMs: number;
}

/** Issuers publish a new key hours or days before they sign with it. */
const freshMs = 3_600_000;
const usableMs = 6 * 3_600_000;
/** Between two fetches, whatever the tokens say: at most two a minute, which no issuer minds. */
const pauseMs = 30_000;
/** Issuers have two to ten. */
const keysMax = 100;

export class IssuerKeys {
  readonly #settings: Pick<IssuerSettings, "url" | "keys_url" | "ca">;
  readonly #http: ServiceClient;
  readonly #clock: Clock;
  #kept: Kept | undefined;
  #failure: string | undefined;
  /** When the last fetch ended. */
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #fetch: Promise<void> | undefined;

  constructor(
    settings: Pick<IssuerSettings, "url" | "keys_url" | "ca">,
    { http, clock }: { readonly http: ServiceClient; readonly clock: Clock },
  ) {
    this.#settings = settings;
    this.#http = http;
    this.#clock = clock;
  }

  /** Never rejects. */
  async current(): Promise<KeysAnswer> {
    if (this.#ageMs() > freshMs) await this.#refresh();
    return this.#answer();
  }

  /** For a token whose key is not among `seen`. The same ones: it is too soon to ask again, or nothing has changed. */
  async newerThan(seen: KeySet): Promise<KeysAnswer> {
    if (this.#kept?.keys === seen) await this.#refresh();
    return this.#answer();
  }

  #answer(): KeysAnswer {
    if (this.#kept !== undefined && this.#ageMs() <= usableMs) return { kind: "keys", ...this.#kept };
    const reason = this.#failure ?? "nothing was fetched yet";
    return { kind: "unavailable", reason: `the keys of ${this.#settings.url} cannot be fetched: ${reason}` };
  }

  #ageMs(): number {
    return this.#kept === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonicMs() - this.#kept.fetchedAtMs;
  }

  async #refresh(): Promise<void> {
    if (this.#fetch === undefined && this.#clock.monotonicMs() - this.#askedAtMs < pauseMs) return;
    this.#fetch ??= this.#load().finally(() => {
      this.#askedAtMs = this.#clock.monotonicMs();
      this.#fetch = undefined;
    });
    await this.#fetch;
  }

  async #load(): Promise<void> {
    const found = await this.#find();
    if (typeof found === "string") {
      this.#failure = found;
      return;
    }
    this.#failure = undefined;
    this.#kept = { keys: found, fetchedAt: this.#clock.now(), fetchedAtMs: this.#clock.monotonicMs() };
  }

  /** The keys, or why there are none. */
  async #find(): Promise<KeySet | string> {
    const place = this.#settings.keys_url ?? (await this.#discover());
    if (typeof place === "object") return place.problem;
    const answer = await this.#get(place);
    if (answer.kind === "failure") return answer.reason;
    if (answer.status !== 200) return `${hostOf(place)} answers ${answer.status} in place of its keys`;
    const { keys } = answer.value;
    if (!Array.isArray(keys) || keys.length === 0 || keys.length > keysMax) return `${place} has no set of keys`;
    const read = keys.filter((key) => typeof key === "object" && key !== null && typeof key.kty === "string");
    return createLocalJWKSet({ keys: read } as JSONWebKeySet);
  }

  /** OpenID Connect Discovery 1.0 §4: the document must name the issuer that it was asked for. */
  async #discover(): Promise<string | { readonly problem: string }> {
    const place = discoveryUrl(this.#settings.url);
    const answer = await this.#get(place);
    if (answer.kind === "failure") return { problem: answer.reason };
    const { issuer, jwks_uri: keysUrl } = answer.value;
    if (answer.status !== 200) return { problem: `${place} answers ${answer.status}` };
    if (issuer !== this.#settings.url) return { problem: `${place} is the document of another issuer` };
    if (typeof keysUrl !== "string" || !isSafeUrl(keysUrl)) return { problem: `${place} names no jwks_uri with https` };
    return keysUrl;
  }

  #get(url: string) {
    const { ca } = this.#settings;
    return requestJson(this.#http, { url }, { certificateAuthorities: ca === undefined ? [] : [ca] });
  }
}

export function discoveryUrl(issuer: string): string {
  return `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
}
