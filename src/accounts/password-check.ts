/**
 * Checks a prepared password against stored verifiers (argon2id, SCRAM) through the thread pool, without telling by time
 * whether the user exists or how the password is stored, and remembers successes for a short while: programs that log in
 * for each message would otherwise keep the thread pool from signing mail.
 */
import { createHmac } from "node:crypto";
import { keepNewest } from "../lib/newest.ts";
import { matchesScramVerifier, parseScramVerifier } from "../sasl/scram-verifier.ts";
import type { Clock } from "../ports/clock.ts";
import type { PasswordCrypto } from "../ports/crypto.ts";
import type { Random } from "../ports/random.ts";
import { missingWork, workBudget, type WorkBudget } from "./password-work.ts";

/** A password that was right stays right for so long without a new check. A changed password is another verifier. */
const memoryMs = 60_000;
/** Successes remembered: more logins than that within a minute are checked again. */
const rememberedMax = 1000;
/** Checks under way or waiting, each about 50 ms of one core: more would wait longer than a client does. */
const pendingMax = 100;

export class PasswordCheck {
  readonly #crypto: PasswordCrypto;
  readonly #clock: Clock;
  readonly #key: Uint8Array;
  /** Where nobody has a password, a failure costs one check nevertheless. */
  readonly #leastWork: WorkBudget;
  readonly #remembered = new Map<string, number>();
  #pending = 0;
  #workPerFailure: WorkBudget;

  private constructor(ports: { crypto: PasswordCrypto; clock: Clock }, key: Uint8Array, decoy: string) {
    this.#crypto = ports.crypto;
    this.#clock = ports.clock;
    this.#key = key;
    this.#leastWork = workBudget([[decoy]]);
    this.#workPerFailure = this.#leastWork;
  }

  static async open(ports: { crypto: PasswordCrypto; clock: Clock; random: Random }): Promise<PasswordCheck> {
    const nobodysPassword = Buffer.from(ports.random.bytes(24)).toString("base64");
    return new PasswordCheck(ports, ports.random.bytes(32), await ports.crypto.hashPassword(nobodysPassword));
  }

  /** Told whenever users change: the verifiers of each user. */
  expectPasswords(users: readonly (readonly string[])[]): void {
    const budget = workBudget(users);
    this.#workPerFailure = budget.size === 0 ? this.#leastWork : budget;
  }

  /** `verifiers` empty: nobody's; the answer is false after the usual time. "busy": too many checks wait. */
  async matches(password: string, verifiers: readonly string[]): Promise<boolean | "busy"> {
    const now = this.#clock.monotonicMs();
    const names = verifiers.map((verifier) => this.#name(password, verifier));
    if (names.some((name) => (this.#remembered.get(name) ?? 0) > now)) return true;
    if (this.#pending >= pendingMax) return "busy";
    this.#pending++;
    try {
      return await this.#check(password, verifiers, names);
    } finally {
      this.#pending--;
    }
  }

  async #check(password: string, verifiers: readonly string[], names: readonly string[]): Promise<boolean> {
    for (const [index, verifier] of verifiers.entries()) {
      if (!(await this.#fits(password, verifier))) continue;
      this.#remember(names[index] ?? "");
      return true;
    }
    for (const decoy of missingWork(this.#workPerFailure, verifiers)) await this.#fits(password, decoy);
    return false;
  }

  async #fits(password: string, verifier: string): Promise<boolean> {
    const scram = parseScramVerifier(verifier);
    if (scram === undefined) return await this.#crypto.verifyPassword(password, verifier);
    return matchesScramVerifier(await this.#crypto.deriveKey(password, scram), scram);
  }

  #remember(name: string): void {
    keepNewest(this.#remembered, name, this.#clock.monotonicMs() + memoryMs, rememberedMax);
  }

  /** No password is kept: only its keyed hash, with a key that this process made. */
  #name(password: string, verifier: string): string {
    return createHmac("sha256", this.#key).update(verifier).update("\0").update(password).digest("base64");
  }
}
