/**
 * Checks a prepared password against stored verifiers (argon2id, SCRAM) through the thread pool, without telling by time
 * whether the user exists, and remembers successes for a short while: programs that log in for each message would
 * otherwise keep the thread pool from signing mail.
 */
import { createHmac } from "node:crypto";
import { matchesScramVerifier, parseScramVerifier } from "../sasl/scram-verifier.ts";
import type { Clock } from "../ports/clock.ts";
import type { PasswordCrypto } from "../ports/crypto.ts";
import type { Random } from "../ports/random.ts";

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
  readonly #decoy: string;
  readonly #remembered = new Map<string, number>();
  #pending = 0;
  /** As many checks as the user with most passwords needs are made for everybody whose login fails. */
  #checksPerFailure = 1;

  private constructor(ports: { crypto: PasswordCrypto; clock: Clock }, key: Uint8Array, decoy: string) {
    this.#crypto = ports.crypto;
    this.#clock = ports.clock;
    this.#key = key;
    this.#decoy = decoy;
  }

  static async open(ports: { crypto: PasswordCrypto; clock: Clock; random: Random }): Promise<PasswordCheck> {
    const nobodysPassword = Buffer.from(ports.random.bytes(24)).toString("base64");
    return new PasswordCheck(ports, ports.random.bytes(32), await ports.crypto.hashPassword(nobodysPassword));
  }

  /** Told whenever users change: the greatest number of passwords that one user has. */
  expectPasswords(most: number): void {
    this.#checksPerFailure = Math.max(1, most);
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
    let checks = 0;
    for (const [index, verifier] of verifiers.entries()) {
      const scram = parseScramVerifier(verifier);
      checks++;
      const right =
        scram === undefined
          ? await this.#crypto.verifyPassword(password, verifier)
          : matchesScramVerifier(password, scram);
      if (!right) continue;
      this.#remember(names[index] ?? "");
      return true;
    }
    for (; checks < this.#checksPerFailure; checks++) await this.#crypto.verifyPassword(password, this.#decoy);
    return false;
  }

  #remember(name: string): void {
    this.#remembered.delete(name);
    this.#remembered.set(name, this.#clock.monotonicMs() + memoryMs);
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size <= rememberedMax) break;
      this.#remembered.delete(oldest);
    }
  }

  /** No password is kept: only its keyed hash, with a key that this process made. */
  #name(password: string, verifier: string): string {
    return createHmac("sha256", this.#key).update(verifier).update("\0").update(password).digest("base64");
  }
}
