/**
 * What `posthaste user` does, in a running server or on a data directory at rest: add, change the password, list, remove.
 * Users declared in the configuration are read-only here, and an address is in one place only.
 */
import { mailboxKey, parseMailbox } from "../address/mailbox-text.ts";
import type { Mailbox } from "../address/mailbox.ts";
import type { Clock } from "../ports/clock.ts";
import type { PasswordCrypto } from "../ports/crypto.ts";
import type { Random } from "../ports/random.ts";
import {
  formatScramVerifier,
  parseScramVerifiers,
  type ScramDigest,
  type ScramVerifier,
  scramVerifierOf,
} from "../sasl/scram-verifier.ts";
import { prepareString } from "../sasl/string-preparation.ts";
import { AccountError } from "./account-error.ts";
import { withoutTag } from "./account-key.ts";
import { AccountTable, type User } from "./account-table.ts";
import { firstOf, scramIterations, scramSaltBytes } from "./scram-verifiers.ts";
import { type AccountSettings, scramDigestsOf } from "./settings.ts";
import type { StoredUser, UserStore } from "./user-store.ts";

export interface ListedUser {
  readonly address: string;
  readonly origin: User["origin"];
  readonly passwords: number;
  readonly createdAt?: number;
}

/** SASLprep may shorten a password; PLAIN carries at most 255 octets (RFC 4616 §2). */
const passwordBytesMax = 255;

export class UserAdministration {
  readonly #settings: AccountSettings;
  readonly #store: UserStore;
  readonly #crypto: PasswordCrypto;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(options: {
    settings: AccountSettings;
    store: UserStore;
    crypto: PasswordCrypto;
    clock: Clock;
    random: Random;
  }) {
    this.#settings = options.settings;
    this.#store = options.store;
    this.#crypto = options.crypto;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  /** The new user has no keys, app passwords and grants, whatever is left of a former one. Rejects with {@link AccountError}. */
  async add(address: string, password: string): Promise<void> {
    const mailbox = mailboxOf(address);
    const key = mailboxKey(mailbox);
    if (withoutTag(key) !== undefined) throw new AccountError("invalid-address", `${address} has a +tag; leave it out`);
    const declared = new AccountTable({ settings: this.#settings, users: [] });
    if (!declared.hasDomain(mailbox.domainKey)) {
      throw new AccountError("domain-not-local", `${mailbox.domain} is not declared as a [[domain]]`);
    }
    if (declared.user(key) !== undefined || declared.hasAlias(key)) {
      throw new AccountError("read-only", `${address} is declared in the configuration file`);
    }
    if ((await this.#store.get(key)) !== undefined) throw new AccountError("exists", `${address} exists already`);
    // Of a user of this name whom the configuration file had before: perhaps another person.
    await this.#removeRightsOf(key);
    await this.#store.put(key, { address, ...(await this.#verifiers(password)), createdAt: this.#clock.now() });
  }

  /** App passwords stay, and work by SCRAM as before. */
  async changePassword(address: string, password: string): Promise<void> {
    const { key, user } = await this.#stored(address);
    const others = (await this.#store.appPasswords.list()).filter(({ user: owner }) => owner === key);
    // An exchange begins with one salt, so passwords that are valid together share it; without others it is a new one.
    const texts = others.length === 0 ? [] : [...(user.scram ?? []), ...others.flatMap(({ scram }) => scram)];
    await this.#store.put(key, { ...user, ...(await this.#verifiers(password, parseScramVerifiers(texts))) });
  }

  async remove(address: string): Promise<void> {
    const { key } = await this.#stored(address);
    // First these: nobody should sign in by them as a user of this name who comes later.
    await this.#removeRightsOf(key);
    await this.#store.remove(key);
  }

  async #removeRightsOf(user: string): Promise<void> {
    const { keys, appPasswords, grants } = this.#store;
    await keys.remove((await keys.list()).filter((key) => key.user === user));
    await appPasswords.remove((await appPasswords.list()).filter((one) => one.user === user));
    await grants.remove((await grants.list()).filter((grant) => grant.user === user));
  }

  /** Those of the configuration first. */
  async list(): Promise<readonly ListedUser[]> {
    const declared = new AccountTable({ settings: this.#settings, users: [] }).users;
    const stored = await this.#store.list();
    return [
      ...declared.map(({ address, origin, passwords }) => ({ address, origin, passwords: passwords.length })),
      ...stored.map(({ address, passwords, createdAt }) => {
        return { address, origin: "stored" as const, passwords: passwords.length, createdAt };
      }),
    ];
  }

  async #stored(address: string) {
    const key = mailboxKey(mailboxOf(address));
    const user = await this.#store.get(key);
    if (user !== undefined) return { key, user };
    if (new AccountTable({ settings: this.#settings, users: [] }).user(key) !== undefined) {
      throw new AccountError("read-only", `${address} is declared in the configuration file; change it there`);
    }
    throw new AccountError("not-found", `there is no user ${address}`);
  }

  /** `sharing`: verifiers of which the new ones take salt and rounds. */
  async #verifiers(
    password: string,
    sharing: readonly ScramVerifier[] = [],
  ): Promise<Pick<StoredUser, "passwords" | "scram">> {
    const ports = { crypto: this.#crypto, random: this.#random };
    const passwords = [await makeVerifier(password, this.#crypto)];
    const scram: string[] = [];
    for (const digest of scramDigestsOf(this.#settings)) {
      scram.push(await makeScramVerifier(password, digest, ports, firstOf(sharing, digest)));
    }
    return { passwords, scram };
  }
}

/** What is kept in place of a password, for mechanisms that show it. Rejects with {@link AccountError}. */
export async function makeVerifier(password: string, crypto: PasswordCrypto): Promise<string> {
  return await crypto.hashPassword(checkedPassword(password));
}

/**
 * What is kept in place of a password, for SCRAM with this digest. `sharing`: a verifier whose salt and rounds it takes;
 * absent: a new salt. Rejects with {@link AccountError}.
 */
export async function makeScramVerifier(
  password: string,
  digest: ScramDigest & ("sha1" | "sha256"),
  { crypto, random }: { readonly crypto: PasswordCrypto; readonly random: Random },
  sharing?: Pick<ScramVerifier, "iterations" | "salt">,
): Promise<string> {
  const { iterations, salt } = sharing ?? { iterations: scramIterations, salt: random.bytes(scramSaltBytes) };
  const how = { digest, iterations, salt };
  return formatScramVerifier(scramVerifierOf(await crypto.deriveKey(checkedPassword(password), how), how));
}

/** Prepared (RFC 4013). Throws {@link AccountError} for one that nobody could log in with. */
function checkedPassword(password: string): string {
  const prepared = prepareString(password);
  if (prepared === undefined) {
    throw new AccountError("invalid-password", "the password is empty or has characters that cannot be typed");
  }
  if (Buffer.byteLength(prepared) > passwordBytesMax) {
    throw new AccountError("invalid-password", `the password is longer than ${passwordBytesMax} octets`);
  }
  return prepared;
}

function mailboxOf(address: string): Mailbox {
  const mailbox = parseMailbox(address);
  if (mailbox === undefined) throw new AccountError("invalid-address", `${address} is not an address`);
  return mailbox;
}
