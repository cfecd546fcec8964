/**
 * App passwords: passwords that Posthaste makes, one for each program or device of a user, with a label and a scope. Each
 * has 120 bits of chance, so nobody guesses it, and one fast hash is enough: a sign-in finds it by a single look-up, whether
 * or not there is such a user.
 */
import { createHash } from "node:crypto";
import type { Instant } from "../lib/instant.ts";
import type { Random } from "../ports/random.ts";
import { parseScramVerifiers, type ScramVerifier } from "../sasl/scram-verifier.ts";

/** What may be done with it: submit mail, read received reports over the API, use the whole API. */
export const appPasswordScopes = ["send", "reports", "admin"] as const;
export type AppPasswordScope = (typeof appPasswordScopes)[number];

export interface AppPassword {
  /** Hash of user and password, in hex; see {@link appPasswordId}. */
  readonly id: string;
  /** Key of the user, see `mailboxKey`. */
  readonly user: string;
  /** For people; unlike the labels of the user's other app passwords. */
  readonly label: string;
  /** At least one. */
  readonly scopes: readonly AppPasswordScope[];
  /** SCRAM verifiers, as text; salt and rounds are those of the user's own password, if it has any. */
  readonly scram: readonly string[];
  readonly createdAt: Instant;
}

export function permits(scopes: readonly AppPasswordScope[], wanted: AppPasswordScope): boolean {
  return scopes.includes(wanted) || (wanted === "reports" && scopes.includes("admin"));
}

/** 120 bits. */
const chanceBytes = 15;
const alphabet = "abcdefghijklmnopqrstuvwxyz234567";

/** Six groups of four letters and digits, which a person can type on a phone; the hyphens belong to it. */
export function makeAppPassword(random: Random): string {
  let bits = 0n;
  for (const octet of random.bytes(chanceBytes)) bits = (bits << 8n) | BigInt(octet);
  let letters = "";
  for (let count = 0; count < 24; count++) {
    letters += alphabet[Number(bits & 31n)] ?? "";
    bits >>= 5n;
  }
  return letters.replaceAll(/.{4}(?=.)/g, "$&-");
}

/** `user`: its key. */
export function appPasswordId(user: string, password: string): string {
  return createHash("sha256").update(`${user}\0${password}`).digest("hex");
}

/** Those of one moment; a change makes a new one. */
export class AppPasswords {
  readonly #byId = new Map<string, AppPassword>();
  readonly #byUser = new Map<string, AppPassword[]>();
  /** By user and stored key: which of them a SCRAM proof fits. */
  readonly #byProof = new Map<string, AppPassword>();
  readonly #verifiers = new Map<string, ScramVerifier[]>();

  constructor(all: readonly AppPassword[] = []) {
    for (const one of all) {
      const { id, user } = one;
      const verifiers = parseScramVerifiers(one.scram);
      this.#byId.set(id, one);
      this.#byUser.set(user, [...(this.#byUser.get(user) ?? []), one]);
      this.#verifiers.set(user, [...(this.#verifiers.get(user) ?? []), ...verifiers]);
      for (const { storedKey } of verifiers) this.#byProof.set(proofName(user, storedKey), one);
    }
  }

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  of(user: string): readonly AppPassword[] {
    return this.#byUser.get(user) ?? [];
  }

  /** Of all app passwords of the user, for the exchange to try. */
  verifiersOf(user: string): readonly ScramVerifier[] {
    return this.#verifiers.get(user) ?? [];
  }

  /** The same work for every user and every password. */
  byPassword(user: string, password: string): AppPassword | undefined {
    return this.#byId.get(appPasswordId(user, password));
  }

  byProof(user: string, { storedKey }: ScramVerifier): AppPassword | undefined {
    return this.#byProof.get(proofName(user, storedKey));
  }
}

function proofName(user: string, storedKey: Uint8Array): string {
  return `${Buffer.from(storedKey).toString("base64")} ${user}`;
}
