/**
 * The server's certificates: from the files of `[tls]`, or self-signed in the data directory where there are none. The
 * files are looked at again now and then, so a renewed certificate is served without a restart or a signal. One with a fault
 * that the former does not have leaves the former in use and is logged.
 */
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import { join } from "node:path";

import type { Clock, Timer } from "../../ports/clock.ts";
import type { Files } from "../../ports/files.ts";
import type { Log } from "../../ports/log.ts";
import type { TlsServerContext, TlsServerOptions } from "../../ports/network.ts";
import { InTurn } from "../../lib/in-turn.ts";
import {
  type CertificatePaths,
  type CertificatePlace,
  described,
  faultsAt,
  fingerprint,
  namesServed,
  newFault,
  readServed,
  samePair,
  type ServedCertificate,
} from "./certificate-files.ts";
import { CertificateNotices } from "./certificate-notices.ts";
import { CertificateError } from "./certificates.ts";
import { makeSelfSigned } from "./self-signed.ts";

/** Two stats of each every half minute cost nothing, and renewals come weeks before they are needed. */
const lookAgainMs = 30_000;

export interface ServedCertificates {
  /** For clients that ask for no other name; absent: self-signed, in `dataDirectory`/tls. */
  readonly main?: (CertificatePaths & { readonly byAcme?: boolean }) | undefined;
  /** For clients that ask for one of their names; none given: of those in the certificate. */
  readonly others: readonly (CertificatePaths & { readonly names: readonly string[] })[];
}

export interface CertificateStoreOptions {
  readonly served: ServedCertificates;
  /** Whether a listener offers TLS; a self-signed certificate that no client sees needs no warning. */
  readonly offered: boolean;
  readonly dataDirectory: string;
  /** A configured certificate must be for it. */
  readonly hostname: string;
  readonly files: Files;
  readonly clock: Clock;
  readonly log: Log;
}

/** The main one first. */
type Served = readonly [ServedCertificate, ...ServedCertificate[]];

export class CertificateStore implements TlsServerOptions, AsyncDisposable {
  readonly #options: CertificateStoreOptions;
  readonly #notices: CertificateNotices;
  #wanted: ServedCertificates;
  #served: Served;
  #current: TlsServerContext;
  /** Files that changed and could not be taken: told once, until they change again. */
  readonly #refused = new Map<string, string>();
  #timer: Timer | undefined;
  #closed = false;
  readonly #looks = new InTurn();

  /** For `tls` of a listener and for `startTls`; may be passed on by itself. */
  readonly context = (): TlsServerContext => this.#current;

  private constructor(options: CertificateStoreOptions, served: Served) {
    this.#options = options;
    this.#wanted = options.served;
    this.#served = served;
    this.#current = contextOf(served, 1);
    this.#notices = new CertificateNotices(options);
  }

  /**
   * Rejects with CertificateError where a certificate cannot serve, is for another name, or has an incomplete chain. One
   * that is out of date is served: no restart makes it worse, and a server that does not start takes no mail.
   */
  static async open(options: CertificateStoreOptions): Promise<CertificateStore> {
    const { files, clock, offered, log } = options;
    const served = await readAll(options, options.served, (place) => readServed(files, place));
    for (const each of served) {
      const { name, chain } = faultsAt(each, clock.now());
      const fault = name ?? chain;
      if (fault !== undefined) throw new CertificateError(`${each.place.certificate}: ${fault}`);
    }
    const store = new CertificateStore(options, served);
    for (const each of served) if (!each.place.selfSigned || offered) tellLoaded(log, each);
    store.#notices.tell(served);
    store.#lookAgainLater();
    return store;
  }

  /** Reads the files again that changed. Whether the files in place are in use. */
  lookAgain(): Promise<boolean> {
    return this.#looks.run(async () => {
      let allInUse = true;
      for (const former of this.#served) if (!(await this.#lookAt(former))) allInUse = false;
      return allInUse;
    });
  }

  async #lookAt(former: ServedCertificate): Promise<boolean> {
    const { files, clock, log } = this.#options;
    const { place } = former;
    try {
      const seen = await fingerprint(files, place);
      if (seen === (this.#refused.get(place.certificate) ?? former.seen)) return true;
      this.#refused.set(place.certificate, seen);
      const next = await readServed(files, place);
      const fault = newFault(next, former, clock.now());
      if (fault !== undefined) throw new CertificateError(fault);
      this.#refused.delete(place.certificate);
      // A look that ends late must not undo a reload, which may have named other files.
      if (!this.#served.includes(former)) return true;
      const [main, ...others] = this.#served;
      const kept = (each: ServedCertificate) => (each === former ? next : each);
      this.#use([kept(main), ...others.map(kept)]);
      return true;
    } catch (error) {
      log.event("certificate-failed", { path: place.certificate, error });
      return false;
    }
  }

  /**
   * Makes ready to serve these. Rejects where one of them has a fault that the former does not have, and says so in the
   * log; the function that it gives cannot fail.
   */
  async prepare(wanted: ServedCertificates): Promise<() => void> {
    const { files, clock, log } = this.#options;
    const served = await readAll(this.#options, wanted, async (place, isMain) => {
      try {
        const next = await readServed(files, place);
        const former = isMain
          ? this.#served[0]
          : this.#served.find((each) => each.place.certificate === place.certificate);
        const fault = newFault(next, former, clock.now());
        if (fault !== undefined) throw new CertificateError(`${place.certificate}: ${fault}`);
        return next;
      } catch (error) {
        log.event("certificate-failed", { path: place.certificate, error });
        throw error;
      }
    });
    return () => {
      this.#wanted = wanted;
      this.#refused.clear();
      this.#use(served);
    };
  }

  /** A certificate by ACME is in place, where a self-signed one may have been shown so far. */
  async refresh(): Promise<void> {
    (await this.prepare(this.#wanted))();
  }

  #use(served: Served): void {
    const former = this.#served;
    this.#served = served;
    const { log } = this.#options;
    const { version } = this.#current;
    const changed = served.filter((each) => !former.some((before) => samePair(before, each)));
    const isSame = JSON.stringify(contextOf(served, version)) === JSON.stringify(this.#current);
    if (!isSame) this.#current = contextOf(served, version + 1);
    for (const each of changed) tellLoaded(log, each);
    this.#notices.tell(served);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #lookAgainLater(): void {
    this.#timer = this.#options.clock.setTimer(lookAgainMs, () => {
      this.#notices.tell(this.#served);
      const again = () => {
        if (!this.#closed) this.#lookAgainLater();
      };
      this.lookAgain().then(again, again);
    });
  }
}

async function readAll(
  options: CertificateStoreOptions,
  { main, others }: ServedCertificates,
  read: (place: CertificatePlace, isMain: boolean) => Promise<ServedCertificate>,
): Promise<Served> {
  const { hostname } = options;
  const place = main && { ...main, names: [hostname], selfSigned: false };
  const usable = place !== undefined && (await isInPlace(options, place));
  const first = usable ? place : await selfSignedPlace(options);
  const served: [ServedCertificate, ...ServedCertificate[]] = [await read(first, true)];
  for (const other of others) served.push(await read({ ...other, selfSigned: false }, false));
  return served;
}

/** One by ACME comes when it comes; until then, and where it is not for `hostname` any more, a self-signed one is shown. */
async function isInPlace({ files, clock }: CertificateStoreOptions, place: CertificatePlace): Promise<boolean> {
  if (place.byAcme !== true) return true;
  try {
    return faultsAt(await readServed(files, place), clock.now()).name === undefined;
  } catch (error) {
    if (error instanceof CertificateError) return false;
    throw error;
  }
}

function contextOf([main, ...others]: Served, version: number): TlsServerContext {
  return {
    certificatePem: main.certificatePem,
    keyPem: main.keyPem,
    others: others.map((other) => ({
      names: namesServed(other),
      certificatePem: other.certificatePem,
      keyPem: other.keyPem,
    })),
    version,
  };
}

function tellLoaded(log: Log, { place, facts }: ServedCertificate): void {
  const event = place.selfSigned ? "certificate-self-signed" : "certificate-loaded";
  log.event(event, { path: place.certificate, ...described(facts) });
}

/** An existing pair is kept, since clients may have pinned it; one that cannot serve, or has expired, is made anew. */
async function selfSignedPlace(options: CertificateStoreOptions): Promise<CertificatePlace> {
  const { hostname, files, clock, dataDirectory } = options;
  const folder = join(dataDirectory, "tls");
  const place = {
    certificate: join(folder, "self-signed.crt"),
    key: join(folder, "self-signed.key"),
    names: [],
    selfSigned: true,
  };
  try {
    const { dnsNames, validTo } = (await readServed(files, place)).facts;
    if (validTo > clock.now() && dnsNames.includes(asciiLowerCase(hostname))) return place;
  } catch {
    // Absent or broken: made below.
  }
  const pair = makeSelfSigned(hostname, clock.now());
  await files.makeDirectory(folder, 0o700);
  await files.replaceFile(place.key, Buffer.from(pair.keyPem), 0o600);
  await files.replaceFile(place.certificate, Buffer.from(pair.certificatePem), 0o600);
  return place;
}
