/**
 * The networks from which the owners of accounts have signed in, the most recent ones of each account. One account cannot
 * push out the networks of another, however many networks it comes from.
 */
export interface AccountNetwork {
  readonly account: string;
  readonly network: string;
}

/** A person's home, office and phones; mobile networks change most often. */
const networksMax = 32;
/** Accounts whose networks are remembered: those that sign in most recently. 100 octets for each network. */
const accountsMax = 10_000;

export class KnownNetworks {
  readonly #accounts = new Map<string, Set<string>>();

  has({ account, network }: AccountNetwork): boolean {
    return this.#accounts.get(account)?.has(network) ?? false;
  }

  add({ account, network }: AccountNetwork): void {
    const networks = this.#accounts.get(account) ?? new Set<string>();
    networks.delete(network);
    networks.add(network);
    dropOldest(networks, networksMax);
    // Set anew, so that the map's order is that of the last sign-in.
    this.#accounts.delete(account);
    this.#accounts.set(account, networks);
    dropOldest(this.#accounts, accountsMax);
  }
}

function dropOldest(collection: Map<string, unknown> | Set<string>, max: number): void {
  if (collection.size <= max) return;
  for (const oldest of collection.keys()) {
    collection.delete(oldest);
    break;
  }
}
