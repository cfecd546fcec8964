/**
 * Access tokens with which this server logs in at relay hosts. They are refreshed ahead of their end, one request at a
 * time for each account, and kept in memory only. When the provider says that the consent is gone (`invalid_grant`), this
 * is stored and told to whoever asks: the mail waits until the operator has logged in again.
 */
import { errorText } from "../lib/error-text.ts";
import type { Clock } from "../ports/clock.ts";
import type { ServiceClient } from "../ports/service-client.ts";
import type { Log } from "../ports/log.ts";
import type { ClientSettings } from "./client-settings.ts";
import { type Grant, type GrantName, type GrantStore, keyOf } from "./grant-store.ts";
import { requestToken } from "./token-endpoint.ts";

export type AccessToken =
  | { readonly kind: "token"; readonly token: string }
  /** Only the operator can help; `reason` says how. */
  | { readonly kind: "no-consent"; readonly reason: string }
  /** It may be had later. */
  | { readonly kind: "unavailable"; readonly reason: string };

export interface AccessTokenSource {
  /** Never rejects. */
  tokenFor(name: GrantName): Promise<AccessToken>;
  /** The relay host did not take it, though it should be good: another one is fetched for the next attempt. */
  refused(name: GrantName, token: string): void;
}

export interface AccessTokensOptions {
  readonly store: GrantStore;
  /** Absent: no provider can be asked. */
  readonly http: ServiceClient | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly clients: readonly ClientSettings[];
}

/** What is known of an account. */
interface Account {
  kept?: {
    readonly token: string;
    readonly fetchedAtMs: number;
    readonly endsAtMs: number;
    readonly refreshAtMs: number;
  };
  /** The last request did not bring a token. */
  failed?: { readonly answer: AccessToken; readonly untilMs: number };
  underWay?: Promise<AccessToken>;
}

/** A token is replaced when a fifth of its life is left, an hour's at most five minutes before its end. */
const aheadMsMax = 300_000;
/** A login with a token that ends meanwhile would fail. */
const leastLeftMs = 20_000;
/** Between two requests that failed. */
const pauseMs = 60_000;
/** Consent that is gone is gone; a provider in trouble may have said so by mistake. */
const gonePauseMs = 3_600_000;

export class AccessTokens implements AccessTokenSource {
  readonly #options: AccessTokensOptions;
  readonly #accounts = new Map<string, Account>();
  #clients: readonly ClientSettings[];

  constructor(options: AccessTokensOptions) {
    this.#options = options;
    this.#clients = options.clients;
  }

  reconfigure(clients: readonly ClientSettings[]): void {
    this.#clients = clients;
    // What failed may have been the settings' fault.
    for (const account of this.#accounts.values()) delete account.failed;
  }

  async tokenFor(name: GrantName): Promise<AccessToken> {
    const account = this.#account(name);
    const now = this.#options.clock.monotonicMs();
    const { kept, failed } = account;
    if (kept !== undefined && now < kept.endsAtMs - leastLeftMs) {
      // Nobody waits for it: the kept one does until then.
      const mayAsk = failed === undefined || now >= failed.untilMs;
      if (now >= kept.refreshAtMs && mayAsk) this.#refresh(name, account).catch(() => undefined);
      return { kind: "token", token: kept.token };
    }
    if (failed !== undefined && now < failed.untilMs) return failed.answer;
    return await this.#refresh(name, account);
  }

  refused(name: GrantName, token: string): void {
    const account = this.#account(name);
    const { kept } = account;
    // One that is fresh would be followed by another that is refused, too.
    if (kept?.token !== token || this.#options.clock.monotonicMs() - kept.fetchedAtMs < pauseMs) return;
    delete account.kept;
  }

  /** Stores what `posthaste route login` got; it is used from the next attempt on. */
  async logIn(name: GrantName, refreshToken: string): Promise<void> {
    await this.#options.store.put({ ...name, refreshToken, since: this.#options.clock.now() });
    this.#accounts.delete(keyOf(name));
  }

  async logOut(name: GrantName): Promise<boolean> {
    const known = (await this.#options.store.get(name)) !== undefined;
    await this.#options.store.remove(name);
    this.#accounts.delete(keyOf(name));
    return known;
  }

  list(): Promise<readonly Grant[]> {
    return this.#options.store.list();
  }

  #account(name: GrantName): Account {
    const key = keyOf(name);
    const known = this.#accounts.get(key);
    if (known !== undefined) return known;
    const account: Account = {};
    this.#accounts.set(key, account);
    return account;
  }

  /** Never rejects. */
  #refresh(name: GrantName, account: Account): Promise<AccessToken> {
    account.underWay ??= this.#fetch(name, account)
      .catch((error: unknown): AccessToken => ({ kind: "unavailable", reason: errorText(error) }))
      .then((answer) => {
        delete account.underWay;
        if (answer.kind === "token") delete account.failed;
        else {
          const wait = answer.kind === "no-consent" ? gonePauseMs : pauseMs;
          account.failed = { answer, untilMs: this.#options.clock.monotonicMs() + wait };
        }
        return answer;
      });
    return account.underWay;
  }

  async #fetch(name: GrantName, account: Account): Promise<AccessToken> {
    const { store, http, clock } = this.#options;
    const client = this.#clients.find((one) => one.name === name.client);
    if (client === undefined || http === undefined) {
      return { kind: "unavailable", reason: `there is no [[oauth.client]] with the name ${name.client}` };
    }
    const grant = await store.get(name);
    if (grant === undefined) return { kind: "no-consent", reason: `no account has logged in yet; ${remedy(name)}` };
    const askedAtMs = clock.monotonicMs();
    const form = { grant_type: "refresh_token", refresh_token: grant.refreshToken };
    const answer = await requestToken(http, client, form);
    switch (answer.kind) {
      case "granted": {
        await this.#note(grant, { ...grant, refreshToken: answer.refreshToken ?? grant.refreshToken, gone: undefined });
        const { accessToken: token, lifetimeMs } = answer;
        const endsAtMs = askedAtMs + lifetimeMs;
        account.kept = {
          token,
          fetchedAtMs: askedAtMs,
          endsAtMs,
          refreshAtMs: endsAtMs - Math.min(aheadMsMax, lifetimeMs / 5),
        };
        return { kind: "token", token };
      }
      case "refused": {
        if (answer.error !== "invalid_grant") {
          const reason = `${client.name} refuses a new access token (${answer.reason}); correct [[oauth.client]] and reload`;
          return { kind: "unavailable", reason };
        }
        await this.#noteGone(grant, answer.reason);
        return { kind: "no-consent", reason: `${client.name} says ${answer.reason}; ${remedy(name)}` };
      }
      case "unavailable":
        return { kind: "unavailable", reason: `no access token from ${client.name}: ${answer.reason}` };
      default:
        return answer satisfies never;
    }
  }

  async #noteGone(grant: Grant, reason: string): Promise<void> {
    const { clock, log } = this.#options;
    if (grant.gone !== undefined) return;
    const { client, username: account } = grant;
    log.event("relay-consent-gone", { client, account, reason });
    await this.#note(grant, { ...grant, gone: { at: clock.now(), reason } });
  }

  /** Not over a login that came meanwhile, and only where something changed. */
  async #note(before: Grant, { gone, ...rest }: Omit<Grant, "gone"> & { readonly gone: Grant["gone"] | undefined }) {
    const { store } = this.#options;
    if (rest.refreshToken === before.refreshToken && gone === before.gone) return;
    const stored = await store.get(before);
    if (stored?.refreshToken !== before.refreshToken) return;
    await store.put({ ...rest, ...(gone !== undefined && { gone }) });
  }
}

/** As the end of a sentence. */
function remedy({ client, username }: GrantName): string {
  return `run \`posthaste route login ${username} --client ${client}\``;
}
