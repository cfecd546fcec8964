/**
 * The SCRAM verifiers that an exchange begins with: a user's own, or one that is made up. Both are found by the same
 * steps, and the made-up one of a name is always the same, also after a restart, since its key is kept: so nobody learns
 * from salts which names exist (RFC 5802 §9). It has as many rounds, and as long a salt, as those of most users.
 */
import { createHmac } from "node:crypto";
import { digestBytes, type ScramDigest, type ScramVerifier } from "../sasl/scram-verifier.ts";

/** RFC 7677 §4 asks for at least 4,096; 16,384 take a client some 5 ms and a thief of verifiers four times as long. */
export const scramIterations = 16_384;
export const scramSaltBytes = 16;

/** What of a verifier everybody sees who asks for it. */
interface Shape {
  readonly iterations: number;
  /** Octets. */
  readonly saltBytes: number;
}

const usualShape: Shape = { iterations: scramIterations, saltBytes: scramSaltBytes };

export class ScramVerifiers {
  readonly #decoyKey: Uint8Array;
  /** Count of rounds and length of salt of most users, for each digest: imported verifiers have others than ours. */
  #shapes: ReadonlyMap<ScramDigest, Shape> = new Map();
  /** So many verifiers are tried in each exchange: those of the user who has most. */
  #width = 1;

  /** `decoyKey`: 32 octets of chance, the same for as long as there are users. */
  constructor(decoyKey: Uint8Array) {
    this.#decoyKey = decoyKey;
  }

  /** Told whenever users change: the verifiers of each user. */
  expectVerifiers(users: readonly (readonly ScramVerifier[])[]): void {
    this.#width = users.reduce((most, own) => Math.max(most, own.length), 1);
    this.#shapes = new Map(
      (["sha1", "sha256"] as const).map((digest) => {
        const firsts = users.map((own) => own.find((verifier) => verifier.digest === digest));
        return [digest, commonShape(firsts.filter((verifier) => verifier !== undefined)) ?? usualShape];
      }),
    );
  }

  /**
   * `own`: the user's; the first of this digest says with which salt the exchange begins, and those that share it can be
   * proven, too. As many for every name, so that the time of a proof does not tell how many passwords a user has.
   */
  for(name: string, digest: ScramDigest, own: readonly ScramVerifier[]): readonly ScramVerifier[] {
    const decoy = this.#decoy(name, digest);
    const first = firstOf(own, digest) ?? decoy;
    const fitting = own.filter((verifier) => sharesSalt(verifier, first));
    return [...fitting, ...Array.from({ length: this.#width - fitting.length }, () => decoy)];
  }

  #decoy(name: string, digest: ScramDigest): ScramVerifier {
    const bytes = (purpose: string) =>
      createHmac("sha512", this.#decoyKey).update(`${purpose} ${digest}\0`).update(name).digest();
    const { iterations, saltBytes } = this.#shapes.get(digest) ?? usualShape;
    return {
      digest,
      iterations,
      salt: bytes("salt").subarray(0, saltBytes),
      // Hashes of nothing that anyone could know: no proof fits.
      storedKey: bytes("stored").subarray(0, digestBytes(digest)),
      serverKey: bytes("server").subarray(0, digestBytes(digest)),
    };
  }
}

/** What someone can sign in with. */
export interface PasswordsOfUser {
  readonly passwords: readonly string[];
  /** Of these passwords. */
  readonly scram: readonly ScramVerifier[];
  /** The verifiers of each app password. */
  readonly appPasswords: readonly (readonly ScramVerifier[])[];
}

/**
 * Digests for which every user with a password, or an app password, can prove it, where there is such a user. An app
 * password whose salt is no longer that of the user's own password cannot be proven.
 */
export function commonDigests(users: readonly PasswordsOfUser[]): ReadonlySet<ScramDigest> {
  const withPassword = users.filter(({ passwords, appPasswords }) => passwords.length + appPasswords.length > 0);
  if (withPassword.length === 0) return new Set();
  const canProve =
    (wanted: ScramDigest) =>
    ({ passwords, scram, appPasswords }: PasswordsOfUser) => {
      const first = firstOf([...scram, ...appPasswords.flat()], wanted);
      if (first === undefined || (passwords.length > 0 && firstOf(scram, wanted) === undefined)) return false;
      return appPasswords.every((own) => own.some((verifier) => sharesSalt(verifier, first)));
    };
  return new Set((["sha1", "sha256"] as const).filter((digest) => withPassword.every(canProve(digest))));
}

/** The verifier with whose salt and rounds an exchange begins. */
export function firstOf(verifiers: readonly ScramVerifier[], wanted: ScramDigest): ScramVerifier | undefined {
  return verifiers.find(({ digest }) => digest === wanted);
}

/** Undefined where there are no verifiers; of equally common shapes the one that comes first. */
function commonShape(verifiers: readonly ScramVerifier[]): Shape | undefined {
  const counts = new Map<string, { readonly shape: Shape; readonly count: number }>();
  let most: { readonly shape: Shape; readonly count: number } | undefined;
  for (const { iterations, salt } of verifiers) {
    const name = `${iterations} ${salt.length}`;
    const counted = { shape: { iterations, saltBytes: salt.length }, count: (counts.get(name)?.count ?? 0) + 1 };
    counts.set(name, counted);
    if (counted.count > (most?.count ?? 0)) most = counted;
  }
  return most?.shape;
}

function sharesSalt(a: ScramVerifier, b: ScramVerifier): boolean {
  return a.digest === b.digest && a.iterations === b.iterations && Buffer.from(a.salt).equals(b.salt);
}
