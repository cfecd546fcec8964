/**
 * The server's certificate: from the files of `[tls]`, or self-signed in the data directory where there are none. The
 * files are looked at again now and then, so a renewed certificate is served without a restart or a signal; a broken
 * renewal leaves the former in use and is logged.
 */
import { join } from "node:path";

import type { Clock, Timer } from "../ports/clock.ts";
import type { Files } from "../ports/files.ts";
import type { Log } from "../ports/log.ts";
import type { TlsServerContext, TlsServerOptions } from "../ports/network.ts";
import { InTurn } from "../lib/in-turn.ts";
import { CertificateError, checkPair, type CertificatePair } from "./certificates.ts";
import { makeSelfSigned } from "./self-signed.ts";

/** Two stats every half minute cost nothing, and renewals come weeks before they are needed. */
const LOOK_AGAIN_MS = 30_000;

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

export class CertificateStore implements TlsServerOptions, AsyncDisposable {
  readonly #options: CertificateStoreOptions;
  #paths: CertificatePaths;
  #current: TlsServerContext;
  /** Size and time of both files when they were last read, right or wrong. */
  #seen = "";
  #timer: Timer | undefined;
  #closed = false;
  /** A look at the old files that ends late must not undo a reload with new ones. */
  readonly #reloads = new InTurn();

  /** For `tls` of a listener and for `startTls`; may be passed on by itself. */
  readonly context = (): TlsServerContext => this.#current;

  private constructor(options: CertificateStoreOptions, paths: CertificatePaths, current: TlsServerContext) {
    this.#options = options;
    this.#paths = paths;
    this.#current = current;
  }

  /** Rejects with CertificateError where the configured files cannot serve. */
  static async open(options: CertificateStoreOptions): Promise<CertificateStore> {
    const { paths, offered, log, files } = options;
    const real = paths ?? (await selfSignedPaths(options));
    const seen = await fingerprint(files, real);
    const pair = await readPair(files, real);
    const facts = checkPair(pair);
    const store = new CertificateStore(options, real, { ...pair, version: 1 });
    store.#seen = seen;
    if (paths !== undefined || offered) {
      log.event(paths === undefined ? "certificate-self-signed" : "certificate-loaded", {
        path: real.certificate,
        ...described(facts),
      });
    }
    store.#lookAgainLater();
    return store;
  }

  /** Reads the files if they changed (always, where other `paths` are given). Whether the files in place are in use. */
  reload(paths?: CertificatePaths): Promise<boolean> {
    return this.#reloads.run(() => this.#reload(paths));
  }

  async #reload(paths: CertificatePaths | undefined): Promise<boolean> {
    const { files, log } = this.#options;
    const wanted = paths ?? this.#paths;
    try {
      const seen = await fingerprint(files, wanted);
      if (paths === undefined && seen === this.#seen) return true;
      // Before reading: a change in between is then seen the next time.
      this.#seen = seen;
      const pair = await readPair(files, wanted);
      const facts = checkPair(pair);
      this.#paths = wanted;
      if (pair.certificatePem === this.#current.certificatePem && pair.keyPem === this.#current.keyPem) return true;
      this.#current = { ...pair, version: this.#current.version + 1 };
      log.event("certificate-loaded", { path: wanted.certificate, ...described(facts) });
      return true;
    } catch (error) {
      log.event("certificate-failed", { path: wanted.certificate, error });
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #lookAgainLater(): void {
    this.#timer = this.#options.clock.setTimer(LOOK_AGAIN_MS, () => {
      const again = () => {
        if (!this.#closed) this.#lookAgainLater();
      };
      this.reload().then(again, again);
    });
  }
}

/** An existing pair is kept, since clients may have pinned it; one that cannot serve, or has expired, is made anew. */
async function selfSignedPaths(options: CertificateStoreOptions): Promise<CertificatePaths> {
  const { dataDirectory, hostname, files, clock } = options;
  const folder = join(dataDirectory, "tls");
  const paths = { certificate: join(folder, "self-signed.crt"), key: join(folder, "self-signed.key") };
  try {
    const { names, validTo } = checkPair(await readPair(files, paths));
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

async function readPair(files: Files, paths: CertificatePaths): Promise<CertificatePair> {
  const read = async (what: string, path: string) => {
    try {
      return Buffer.from(await files.readFile(path)).toString("latin1");
    } catch (cause) {
      throw new CertificateError(`the ${what} ${path} cannot be read: ${(cause as Error).message}`, { cause });
    }
  };
  return {
    certificatePem: await read("certificate", paths.certificate),
    keyPem: await read("key", paths.key),
  };
}

async function fingerprint(files: Files, paths: CertificatePaths): Promise<string> {
  const facts = await Promise.all([files.stat(paths.certificate), files.stat(paths.key)]);
  return facts.map((file) => (file === undefined ? "absent" : `${file.size}@${file.modifiedAt}`)).join(" ");
}

function described(facts: { subject: string; names: string; validTo: number; fingerprint256: string }) {
  const { subject, names, validTo, fingerprint256: fingerprint } = facts;
  return { subject, names, valid_to: new Date(validTo).toISOString(), fingerprint };
}
