/**
 * How much work a password check is, so that every failed sign-in can be made to cost the same: the time it takes must not
 * tell whether a user exists, how many passwords the user has, or how they are stored. A `kind` of work is one derivation
 * with fixed parameters; the budget holds, for each kind, as many as the user who needs most.
 */
import { parseScramVerifier } from "../sasl/scram-verifier.ts";

/** Work of one kind, with a verifier that takes it and that no password fits. */
interface Work {
  readonly decoy: string;
  readonly times: number;
}

export type WorkBudget = ReadonlyMap<string, Work>;

const argon2id = /^(\$argon2id\$v=19\$[^$]+)\$([^$]+)\$([^$]+)$/;

export function kindOfWork(verifier: string): string {
  const scram = parseScramVerifier(verifier);
  if (scram !== undefined) return `pbkdf2 ${scram.digest} ${scram.iterations}`;
  return argon2id.exec(verifier)?.[1] ?? "other";
}

/** `users`: the verifiers of each. */
export function workBudget(users: readonly (readonly string[])[]): WorkBudget {
  const budget = new Map<string, Work>();
  for (const verifiers of users) {
    const times = new Map<string, number>();
    for (const verifier of verifiers) {
      const kind = kindOfWork(verifier);
      const count = (times.get(kind) ?? 0) + 1;
      times.set(kind, count);
      if (count > (budget.get(kind)?.times ?? 0)) budget.set(kind, { decoy: decoyOf(verifier), times: count });
    }
  }
  return budget;
}

/** What is still to be done of `budget` after the checks of `verifiers`. */
export function* missingWork(budget: WorkBudget, verifiers: readonly string[]): Generator<string> {
  const done = new Map<string, number>();
  for (const kind of verifiers.map(kindOfWork)) done.set(kind, (done.get(kind) ?? 0) + 1);
  for (const [kind, { decoy, times }] of budget) {
    for (let count = done.get(kind) ?? 0; count < times; count++) yield decoy;
  }
}

/** The same derivation with a result that does not occur: an argon2id hash of zeros. Of SCRAM only the derivation counts. */
function decoyOf(verifier: string): string {
  return verifier.replace(argon2id, (_, parameters: string, salt: string, hash: string) => {
    return `${parameters}$${salt}$${"A".repeat(hash.length)}`;
  });
}
