/**
 * Keeps a certificate at hand: gets it, renews it in time, and rolls its key over when asked. One attempt at a time; what is
 * planned and what failed is on disk, so a restart neither forgets a renewal nor hurries an authority that said "later".
 */
import { type Instant, isoTime } from "../lib/instant.ts";
import { InTurn } from "../lib/in-turn.ts";
import { errorText } from "../lib/error-text.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { HttpClient } from "../ports/http-client.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Resolver } from "../ports/resolver.ts";
import { AcmeClient, AcmeError } from "./acme-client.ts";
import type { AcmeCertificate, AcmeFiles, AcmeState } from "./acme-files.ts";
import { accountKeyOf, newEcKeyPem } from "./jws.ts";
import { obtainCertificate, type Prover } from "./obtain-certificate.ts";
import { isFor, lifetimeOf, renewalIdentifier, renewalTime, suggestedTime } from "./renewal.ts";
import { bothShownNow, chooseKey, type KeyChoice, type RollOver } from "./roll-over.ts";
import { type AcmeTerms, namesWanted } from "./settings.ts";
import { publishedTlsa, tlsaText } from "./tlsa.ts";

/** How often it is looked whether something is to be done. Only a roll-over asks DNS then. */
const lookAgainMs = 600_000;
/** After the first failure; doubled with each, up to `retryMaxMs`. Let's Encrypt allows five failed proofs an hour. */
const retryMs = 600_000;
const retryMaxMs = 12 * 3_600_000;
/** Of the wait, so that not all servers come back at once. */
const retryJitter = 0.2;
/** RFC 9773 §4.3: where Retry-After does not say. */
const askAgainMs = 6 * 3_600_000;
const askAgainMinMs = 3_600_000;

export interface AcmeServiceOptions {
  readonly files: AcmeFiles;
  readonly clock: Clock;
  readonly random: Random;
  readonly resolver: Resolver;
  readonly log: Log;
  readonly http: (terms: AcmeTerms) => HttpClient;
  readonly prover: (terms: AcmeTerms) => Prover;
  /** A new certificate is in place. */
  readonly installed: () => Promise<void>;
}

export class AcmeService {
  readonly #options: AcmeServiceOptions;
  #terms: AcmeTerms | undefined;
  #timer: Timer | undefined;
  readonly #stop = new AbortController();
  readonly #turns = new InTurn();

  /** `terms` absent: nothing is done until a reload brings some. */
  constructor(options: AcmeServiceOptions, terms: AcmeTerms | undefined) {
    this.#options = options;
    this.#terms = terms;
  }

  start(): void {
    this.#lookSoon();
  }

  /** Other terms may succeed where the former failed, so nothing is waited for. */
  reconfigure(terms: AcmeTerms | undefined): void {
    const same = JSON.stringify(terms) === JSON.stringify(this.#terms);
    this.#terms = terms;
    if (!same) this.#lookSoon({ afterFailure: true });
  }

  /** Ends what is under way. */
  close(): void {
    this.#timer?.cancel();
    this.#stop.abort(new Error("the server is stopping"));
  }

  /**
   * Does what is due. Never rejects.
   *
   * @param options.afterFailure without the wait after a failure
   */
  look({ afterFailure = false }: { readonly afterFailure?: boolean } = {}): Promise<void> {
    return this.#turns.run(async () => {
      const terms = this.#terms;
      this.#timer?.cancel();
      if (terms === undefined || this.#stop.signal.aborted) return;
      try {
        await this.#lookWith(terms, afterFailure);
      } catch (error) {
        // The disk, or a bug: the next look comes nevertheless.
        this.#tellTrouble(error);
      }
      if (!this.#stop.signal.aborted) {
        this.#timer = this.#options.clock.setTimer(lookAgainMs, () => this.#lookSoon());
      }
    });
  }

  #lookSoon(options?: { readonly afterFailure: boolean }): void {
    this.look(options).catch((error: unknown) => this.#tellTrouble(error));
  }

  #tellTrouble(error: unknown): void {
    this.#options.log.event("acme-failed", { problem: errorText(error), retry_at: undefined, attempts: 1 });
  }

  async #lookWith(terms: AcmeTerms, afterFailure: boolean): Promise<void> {
    const { files, clock, random } = this.#options;
    const before = await files.state();
    let state = before ?? { version: 1 as const, chance: random.next() };
    const { failure } = state;
    if (!afterFailure && failure !== undefined && clock.now() < failure.retryAt) return;
    const current = await files.certificate();
    const nextKeyPem = await files.nextKey();
    try {
      const client = await this.#client(terms);
      state = await this.#plan(state, current, client);
      const keys = { keyPem: current?.keyPem, nextKeyPem };
      const wanted = this.#isDue(state, terms, current);
      if (!wanted && nextKeyPem === undefined) return await this.#keep(withoutFailure(state), before);
      const choice = await this.#chooseKey(terms, keys, state);
      state = choice.state;
      if (!wanted && choice.key.kind !== "next") return await this.#keep(withoutFailure(state), before);
      const keyPem = keyOf(choice.key, keys);
      await this.#obtain(terms, client, { keyPem, current, choice: choice.key });
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      await this.#failed(state, error);
    }
  }

  /** ARI, where the authority has it, else the rule of thumb. That it cannot be asked now is no reason to fail. */
  async #plan(state: AcmeState, current: AcmeCertificate | undefined, client: AcmeClient): Promise<AcmeState> {
    const { clock } = this.#options;
    const lifetime = current && lifetimeOf(current.chainPem);
    if (current === undefined || lifetime === undefined) return state;
    const now = clock.now();
    const byLifetime = { ...state, renewAt: renewalTime(lifetime, state.chance), renewalBy: "lifetime" as const };
    const planned = state.renewAt === undefined ? byLifetime : state;
    if (state.askAgainAt !== undefined && now < state.askAgainAt) return planned;
    const identifier = renewalIdentifier(current.chainPem);
    if (identifier === undefined) return planned;
    try {
      const answer = await client.renewalInfo(identifier);
      const askAgainAt = now + Math.max(answer?.retryAfterMs ?? askAgainMs, askAgainMinMs);
      const suggested = answer && suggestedTime(answer.value, lifetime, state.chance);
      if (suggested === undefined) return { ...byLifetime, askAgainAt };
      return { ...state, renewAt: suggested, renewalBy: "authority", askAgainAt };
    } catch (error) {
      if (!(error instanceof AcmeError)) throw error;
      return { ...planned, askAgainAt: now + Math.max(error.retryAfterMs ?? askAgainMinMs, askAgainMinMs) };
    }
  }

  #isDue({ renewAt }: AcmeState, terms: AcmeTerms, current: AcmeCertificate | undefined): boolean {
    if (current === undefined || lifetimeOf(current.chainPem) === undefined) return true;
    if (!isFor(current.chainPem, namesWanted(terms))) return true;
    return renewAt !== undefined && this.#options.clock.now() >= renewAt;
  }

  async #chooseKey(
    { hostname }: AcmeTerms,
    keys: Pick<RollOver, "keyPem" | "nextKeyPem">,
    state: AcmeState,
  ): Promise<{ readonly key: KeyChoice; readonly state: AcmeState }> {
    const { resolver, clock } = this.#options;
    const now = clock.now();
    const published = await publishedTlsa(resolver, hostname);
    const bothShown = bothShownNow({ ...keys, published, bothShown: state.bothShown }, now);
    const { bothShown: _, ...rest } = state;
    return {
      key: chooseKey({ ...keys, published, bothShown }, now),
      state: { ...rest, ...(bothShown && { bothShown }) },
    };
  }

  /** With an account: made at the first time, found again by its key where only the answer was lost. */
  async #client(terms: AcmeTerms): Promise<AcmeClient> {
    const { files, clock, http, log } = this.#options;
    const { directory, email, external_account: external } = terms.settings;
    let account = await files.account(directory);
    if (account === undefined) {
      account = { version: 1, directory, key: newEcKeyPem() };
      await files.keepAccount(account);
    }
    const client = new AcmeClient({
      http: http(terms),
      clock,
      directory,
      key: accountKeyOf(account.key),
      account: account.url,
      signal: this.#stop.signal,
    });
    if (account.url === undefined) {
      const externalAccount = external && { kid: external.kid, hmacKey: external.key };
      const url = await client.openAccount({ email, externalAccount });
      await files.keepAccount({ ...account, url });
      log.event("acme-account", { directory, url });
    }
    return client;
  }

  async #obtain(
    terms: AcmeTerms,
    client: AcmeClient,
    { keyPem, current, choice }: { keyPem: string; current: AcmeCertificate | undefined; choice: KeyChoice },
  ): Promise<void> {
    const { files, clock, random, log, prover, installed } = this.#options;
    const names = namesWanted(terms);
    // Only one that it renews: another set of names is a new certificate (RFC 9773 §5).
    const isRenewal = current !== undefined && isFor(current.chainPem, names);
    const replaces = isRenewal ? renewalIdentifier(current.chainPem) : undefined;
    const ports = { client, prover: prover(terms), clock, signal: this.#stop.signal };
    const chainPem = await obtainCertificate(ports, { names, keyPem, replaces });
    const lifetime = lifetimeOf(chainPem);
    if (lifetime === undefined || !isFor(chainPem, names, keyPem)) {
      throw new AcmeError("the authority issued a certificate that is not the one that was asked for");
    }
    await files.keepCertificate({ chainPem, keyPem });
    if (choice.kind === "next") await files.dropNextKey();
    const chance = random.next();
    const renewAt = renewalTime(lifetime, chance);
    await files.keepState({ chance, renewAt, renewalBy: "lifetime" });
    log.event("acme-certificate", {
      names: names.join(", "),
      valid_to: isoTime(lifetime.validTo),
      renew_at: isoTime(renewAt),
      key: choice.kind === "keep" ? "kept" : choice.kind === "next" ? "rolled over" : "new",
      tlsa: tlsaText(terms.hostname, keyPem),
    });
    await installed();
  }

  /** Nothing is written where nothing has changed, as at most looks. */
  async #keep(state: AcmeState, before: AcmeState | undefined): Promise<void> {
    if (JSON.stringify(state) !== JSON.stringify(before)) await this.#options.files.keepState(state);
  }

  async #failed(state: AcmeState, error: unknown): Promise<void> {
    const { files, clock, random, log } = this.#options;
    const attempts = (state.failure?.attempts ?? 0) + 1;
    const usual = Math.min(retryMs * 2 ** Math.min(attempts - 1, 10), retryMaxMs) * (1 + retryJitter * random.next());
    const asked = error instanceof AcmeError ? (error.retryAfterMs ?? 0) : 0;
    const at: Instant = clock.now();
    const retryAt = at + Math.max(usual, asked);
    const problem = errorText(error);
    log.event("acme-failed", { problem, retry_at: isoTime(retryAt), attempts });
    await files.keepState({ ...state, failure: { at, problem, retryAt, attempts } });
    if (error instanceof AcmeError && error.code === "accountDoesNotExist") await this.#forgetAccount();
  }

  /** The authority does not know it any more: the next attempt makes it anew, with the same key. */
  async #forgetAccount(): Promise<void> {
    const { files } = this.#options;
    const directory = this.#terms?.settings.directory;
    const account = directory === undefined ? undefined : await files.account(directory);
    if (account !== undefined) await files.keepAccount({ directory: account.directory, key: account.key });
  }
}

function withoutFailure(state: AcmeState): AcmeState {
  const { failure: _, ...others } = state;
  return others;
}

function keyOf(choice: KeyChoice, { keyPem, nextKeyPem }: Pick<RollOver, "keyPem" | "nextKeyPem">): string {
  const chosen = choice.kind === "keep" ? keyPem : choice.kind === "next" ? nextKeyPem : undefined;
  return chosen ?? newEcKeyPem();
}
