/**
 * argon2id, PBKDF2 and RSA signing on the thread pool. One password is computed at a time, because a burst of logins would
 * otherwise hold up every signature that waits for the same four threads; signatures leave one thread to passwords and
 * one to files, and never wait behind a password. A password that was right is remembered for a minute, because mail
 * programs log in again and again.
 */
import {
  argon2,
  createHmac,
  generateKeyPair,
  type KeyObject,
  pbkdf2,
  randomBytes,
  sign,
  timingSafeEqual,
} from "node:crypto";
import { promisify } from "node:util";
import { keepNewest } from "../../lib/newest.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Crypto, KeyDerivation } from "../../ports/crypto.ts";
import { formatArgon2id, parseArgon2id, type Argon2idVerifier } from "./argon2id-phc.ts";
import { Turns } from "../network/turns.ts";

/** OWASP's first recommendation: 19 MiB, two passes, one lane; some 25 ms here. */
const verifierMemoryKib = 19_456;
const verifierPasses = 2;
const verifierLanes = 1;
const saltBytes = 16;
const verifierHashBytes = 32;
/** Changing a password takes another verifier, so nothing outdated is ever found; the minute bounds what memory holds. */
const rememberedMs = 60_000;
const rememberedMax = 1000;
/** At 25 ms each, the last of the queue waits some 6 s; whoever comes then hears "try again" rather than nothing. */
const waitingMax = 256;
/** More octets than any person's password; beyond it hashing costs without gain (RFC 4616 leaves it to us). */
const passwordBytesMax = 1024;
/** libuv's own default. */
const poolThreads = 4;
/** Left to one password and one file. With two of four threads, two cores sign at 0.92 of what four threads reach. */
const poolThreadsForOthers = 2;

export class ThreadPoolCrypto implements Crypto {
  readonly #clock: Clock;
  /** Never leaves the process, so what is remembered is of no use outside it. */
  readonly #memoryKey = randomBytes(32);
  readonly #remembered = new Map<string, number>();
  #running: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  readonly #signing: Turns;

  constructor(clock: Clock) {
    this.#clock = clock;
    const threads = Number(process.env["UV_THREADPOOL_SIZE"] ?? poolThreads) || poolThreads;
    this.#signing = new Turns(Math.max(1, threads - poolThreadsForOthers));
  }

  signRsaSha256(key: KeyObject, data: Uint8Array): Promise<Uint8Array> {
    return this.#signing.run((done) => sign("sha256", data, key, done));
  }

  async generateKey(kind: Parameters<Crypto["generateKey"]>[0]): Promise<string> {
    return await new Promise((resolve, reject) => {
      const privateKeyEncoding = { type: "pkcs8", format: "pem" } as const;
      const publicKeyEncoding = { type: "spki", format: "pem" } as const;
      const done = (error: Error | null, _publicKey: string, privateKey: string) =>
        error ? reject(error) : resolve(privateKey);
      if (kind.type === "rsa") {
        generateKeyPair("rsa", { modulusLength: kind.bits, privateKeyEncoding, publicKeyEncoding }, done);
      } else {
        generateKeyPair("ed25519", { privateKeyEncoding, publicKeyEncoding }, done);
      }
    });
  }

  async hashPassword(password: string): Promise<string> {
    if (Buffer.byteLength(password) > passwordBytesMax) {
      throw new RangeError(`a password has at most ${passwordBytesMax} octets`);
    }
    const parameters = {
      memoryKib: verifierMemoryKib,
      passes: verifierPasses,
      lanes: verifierLanes,
      salt: randomBytes(saltBytes),
    };
    const hash = await this.#inTurn(() => derive(password, parameters, verifierHashBytes));
    return formatArgon2id({ ...parameters, hash });
  }

  /** Rejects only when too many wait already. */
  async verifyPassword(password: string, phc: string): Promise<boolean> {
    const verifier = parseArgon2id(phc);
    if (verifier === undefined || Buffer.byteLength(password) > passwordBytesMax) return false;
    const key = this.#memoryKeyOf(password, phc);
    if (this.#isRemembered(key)) return true;
    const right = await this.#inTurn(async () => {
      // The login before this one may have been the same.
      if (this.#isRemembered(key)) return true;
      return timingSafeEqual(await derive(password, verifier, verifier.hash.length), verifier.hash);
    });
    if (right) this.#remember(key);
    return right;
  }

  /** Rejects only when too many wait already. */
  async deriveKey(password: string, { digest, iterations, salt }: KeyDerivation): Promise<Uint8Array> {
    return await this.#inTurn(() => pbkdf2Key(password, salt, iterations, digestBytes[digest], digest));
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= waitingMax) throw new Error("too many logins are being checked");
    this.#waiting++;
    const turn = this.#running.then(work);
    this.#running = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.#waiting--;
    }
  }

  #memoryKeyOf(password: string, phc: string): string {
    return createHmac("sha256", this.#memoryKey).update(phc).update("\0").update(password).digest("base64");
  }

  #isRemembered(key: string): boolean {
    const until = this.#remembered.get(key);
    return until !== undefined && until > this.#clock.monotonicMs();
  }

  #remember(key: string): void {
    keepNewest(this.#remembered, key, this.#clock.monotonicMs() + rememberedMs, rememberedMax);
  }
}

const pbkdf2Key = promisify(pbkdf2);
const digestBytes = { sha1: 20, sha256: 32, sha512: 64 } as const;

function derive(
  password: string,
  { memoryKib, passes, lanes, salt }: Omit<Argon2idVerifier, "hash">,
  hashBytes: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    argon2(
      "argon2id",
      { message: password, nonce: salt, memory: memoryKib, passes, parallelism: lanes, tagLength: hashBytes },
      (error, hash) => {
        if (error) reject(error);
        else resolve(hash);
      },
    );
  });
}
