/**
 * The networks from which the owners of accounts have signed in, the most recent ones of each account. One account cannot
 * push out the networks of another, however many networks it comes from.
 */
import { keepNewest } from "../lib/newest.ts";

export interface AccountNetwork {
  readonly account: string;
  readonly network: string;
}

/** A person's home, office and phones; mobile networks change most often. */
const networksMax = 32;
/** Accounts whose networks are remembered: those that sign in most recently. 100 octets for each network. */
const accountsMax = 10_000;

export class KnownNetworks {
  /** Accounts and their networks, each in the order of the last sign-in. */
  readonly #accounts = new Map<string, Map<string, true>>();

  has({ account, network }: AccountNetwork): boolean {
    return this.#accounts.get(account)?.has(network) ?? false;
  }

  add({ account, network }: AccountNetwork): void {
    const networks = this.#accounts.get(account) ?? new Map<string, true>();
    keepNewest(networks, network, true, networksMax);
    keepNewest(this.#accounts, account, networks, accountsMax);
  }
}
