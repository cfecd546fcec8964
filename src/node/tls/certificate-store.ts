/**
 * The server's certificate: from the files of `[tls]`, or self-signed in the data directory where there are none. The
 * files are looked at again now and then, so a renewed certificate is served without a restart or a signal; a broken
 * renewal leaves the former in use and is logged.
 */
import { join } from "node:path";

import type { CertificatePair } from "../../ports/certificates.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Files } from "../../ports/files.ts";
import type { Log } from "../../ports/log.ts";
import type { TlsServerContext, TlsServerOptions } from "../../ports/network.ts";
import { InTurn } from "../../lib/in-turn.ts";
import { CertificateError, type CertificateFacts, certificateWarnings, checkPair, outOfDate } from "./certificates.ts";
import { makeSelfSigned } from "./self-signed.ts";

/** Two stats every half minute cost nothing, and renewals come weeks before they are needed. */
const lookAgainMs = 30_000;
/** What is wrong with the certificate in use is logged again for as long as it is. */
const warnAgainMs = 86_400_000;

/** Absent: self-signed, in `dataDirectory`/tls. */
export interface CertificatePaths {
  readonly certificate: string;
  readonly key: string;
}

export interface CertificateStoreOptions {
  readonly paths: CertificatePaths | undefined;
  /** Whether a listener offers TLS; a self-signed certificate that no client sees needs no warning. */
  readonly offered: boolean;
  readonly dataDirectory: string;
  readonly hostname: string;
  readonly files: Files;
  readonly clock: Clock;
  readonly log: Log;
}

interface CheckedPair extends CertificatePair {
  readonly path: string;
  readonly facts: CertificateFacts;
}

export class CertificateStore implements TlsServerOptions, AsyncDisposable {
  readonly #options: CertificateStoreOptions;
  #paths: CertificatePaths;
  #current: TlsServerContext;
  /** Size and time of both files when they were last read, right or wrong. */
  #seen = "";
  #facts: CertificateFacts;
  #warnedAtMs = 0;
  #timer: Timer | undefined;
  #closed = false;
  readonly #looks = new InTurn();

  /** For `tls` of a listener and for `startTls`; may be passed on by itself. */
  readonly context = (): TlsServerContext => this.#current;

  private constructor(options: CertificateStoreOptions, paths: CertificatePaths, first: CheckedPair) {
    const { certificatePem, keyPem, facts } = first;
    this.#options = options;
    this.#paths = paths;
    this.#current = { certificatePem, keyPem, version: 1 };
    this.#facts = facts;
  }

  /** Rejects with CertificateError where the configured files cannot serve. */
  static async open(options: CertificateStoreOptions): Promise<CertificateStore> {
    const { paths, offered, log, files } = options;
    const real = paths ?? (await selfSignedPaths(options));
    const seen = await fingerprint(files, real);
    const first = await readChecked(files, real);
    const store = new CertificateStore(options, real, first);
    store.#seen = seen;
    if (paths !== undefined || offered) {
      log.event(eventOf(options, real.certificate), { path: real.certificate, ...described(first.facts) });
    }
    store.#warn();
    store.#lookAgainLater();
    return store;
  }

  /** Reads the files again if they changed. Whether the files in place are in use. */
  lookAgain(): Promise<boolean> {
    return this.#looks.run(async () => {
      const { files } = this.#options;
      const paths = this.#paths;
      try {
        const seen = await fingerprint(files, paths);
        if (seen === this.#seen || paths !== this.#paths) return true;
        // Before reading: a change in between is then seen the next time.
        this.#seen = seen;
        const pair = await readChecked(files, paths);
        this.#refuseWorse(pair);
        // A look that ends late must not undo a reload, which may have named other files.
        if (paths === this.#paths) this.#use(pair);
        return true;
      } catch (error) {
        this.#tellFailed(paths, error);
        return false;
      }
    });
  }

  /**
   * Makes ready to serve the certificate in these files, or without `paths` a self-signed one. Rejects where they cannot
   * serve, and says so in the log; the function that it gives cannot fail.
   */
  async prepare(paths?: CertificatePaths): Promise<() => void> {
    const { files } = this.#options;
    try {
      const wanted = paths ?? (await selfSignedPaths(this.#options));
      const seen = await fingerprint(files, wanted);
      const pair = await readChecked(files, wanted);
      this.#refuseWorse(pair);
      return () => {
        // An object of its own even where the names are the same: by it a look under way sees that it comes too late.
        this.#paths = { ...wanted };
        this.#seen = seen;
        this.#use(pair);
      };
    } catch (error) {
      this.#tellFailed(paths ?? this.#paths, error);
      throw error;
    }
  }

  #use({ certificatePem, keyPem, path, facts }: CheckedPair): void {
    if (certificatePem === this.#current.certificatePem && keyPem === this.#current.keyPem) return;
    this.#current = { certificatePem, keyPem, version: this.#current.version + 1 };
    this.#facts = facts;
    this.#options.log.event(eventOf(this.#options, path), { path, ...described(facts) });
    this.#warn();
  }

  /** One that clients refuse is no better than another, and worse than one that they take. */
  #refuseWorse({ facts }: CheckedPair): void {
    const now = this.#options.clock.now();
    const problem = outOfDate(facts, now);
    if (problem !== undefined && outOfDate(this.#facts, now) === undefined) throw new CertificateError(problem);
  }

  /** Of configured files only: nobody verifies a certificate that the server made. */
  #warn(): void {
    const { clock, hostname, log } = this.#options;
    this.#warnedAtMs = clock.monotonicMs();
    if (isSelfSigned(this.#options, this.#paths.certificate)) return;
    const now = clock.now();
    const problem = outOfDate(this.#facts, now);
    const warnings = certificateWarnings(this.#facts, { hostname, now }).map(({ message }) => message);
    for (const text of problem === undefined ? warnings : [problem, ...warnings]) {
      log.event("certificate-warning", { path: this.#paths.certificate, problem: text });
    }
  }

  #tellFailed({ certificate: path }: CertificatePaths, error: unknown): void {
    this.#options.log.event("certificate-failed", { path, error });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #lookAgainLater(): void {
    this.#timer = this.#options.clock.setTimer(lookAgainMs, () => {
      if (this.#options.clock.monotonicMs() - this.#warnedAtMs >= warnAgainMs) this.#warn();
      const again = () => {
        if (!this.#closed) this.#lookAgainLater();
      };
      this.lookAgain().then(again, again);
    });
  }
}

function placeOfSelfSigned({ dataDirectory }: CertificateStoreOptions) {
  const folder = join(dataDirectory, "tls");
  return { folder, certificate: join(folder, "self-signed.crt"), key: join(folder, "self-signed.key") };
}

function eventOf(options: CertificateStoreOptions, path: string) {
  return isSelfSigned(options, path) ? "certificate-self-signed" : "certificate-loaded";
}

function isSelfSigned(options: CertificateStoreOptions, path: string): boolean {
  return path === placeOfSelfSigned(options).certificate;
}

/** An existing pair is kept, since clients may have pinned it; one that cannot serve, or has expired, is made anew. */
async function selfSignedPaths(options: CertificateStoreOptions): Promise<CertificatePaths> {
  const { hostname, files, clock } = options;
  const { folder, ...paths } = placeOfSelfSigned(options);
  try {
    const { names, validTo } = (await readChecked(files, paths)).facts;
    if (validTo > clock.now() && names.split(", ").includes(`DNS:${hostname}`)) return paths;
  } catch {
    // Absent or broken: made below.
  }
  const pair = makeSelfSigned(hostname, clock.now());
  await files.makeDirectory(folder, 0o700);
  await files.replaceFile(paths.key, Buffer.from(pair.keyPem), 0o600);
  await files.replaceFile(paths.certificate, Buffer.from(pair.certificatePem), 0o600);
  return paths;
}

async function readChecked(files: Files, paths: CertificatePaths): Promise<CheckedPair> {
  const read = async (what: string, path: string) => {
    try {
      return Buffer.from(await files.readFile(path)).toString("latin1");
    } catch (cause) {
      throw new CertificateError(`the ${what} ${path} cannot be read: ${(cause as Error).message}`, { cause });
    }
  };
  const certificatePem = await read("certificate", paths.certificate);
  const keyPem = await read("key", paths.key);
  return { certificatePem, keyPem, path: paths.certificate, facts: checkPair({ certificatePem, keyPem }) };
}

async function fingerprint(files: Files, paths: CertificatePaths): Promise<string> {
  const facts = await Promise.all([files.stat(paths.certificate), files.stat(paths.key)]);
  return facts.map((file) => (file === undefined ? "absent" : `${file.size}@${file.modifiedAt}`)).join(" ");
}

function described(facts: CertificateFacts) {
  const { subject, names, validTo, fingerprint256: fingerprint } = facts;
  return { subject, names, valid_to: new Date(validTo).toISOString(), fingerprint };
}
