/** Tells the operator in time, and no more than once a day, that a certificate will not be good for much longer. */
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { ServedCertificate } from "./certificate-files.ts";
import { outOfDate } from "./certificates.ts";
import { type ExpiryStage, stageOf } from "./expiry-stage.ts";

const dayMs = 86_400_000;

/** By the certificate's fingerprint: as many as are served. */
type Told = Map<string, { readonly stage: ExpiryStage | undefined; readonly atMs: number }>;

export class CertificateNotices {
  readonly #clock: Clock;
  readonly #log: Log;
  #told: Told = new Map();

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** `served`: all of them; of others, what was told is forgotten. */
  tell(served: readonly ServedCertificate[]): void {
    const now = this.#clock.now();
    const atMs = this.#clock.monotonicMs();
    const kept: Told = new Map();
    for (const { place, facts } of served) {
      if (place.selfSigned) continue;
      const before = this.#told.get(facts.fingerprint256);
      const stage = stageOf(facts, now);
      const problem = outOfDate(facts, now);
      const due = before === undefined || atMs - before.atMs >= dayMs;
      const nearer = stage !== undefined && stage !== before?.stage;
      if (due && problem !== undefined) this.#log.event("certificate-warning", { path: place.certificate, problem });
      else if (due && nearer) this.#tellEnd(place.certificate, facts, now);
      else if (before !== undefined) {
        kept.set(facts.fingerprint256, before);
        continue;
      }
      if (before === undefined && place.byAcme !== true && facts.chain.kind === "unknown-authority") {
        this.#log.event("certificate-warning", { path: place.certificate, problem: facts.chain.reason });
      }
      // Nothing was told of one with time left: its first notice need not wait for a day.
      kept.set(facts.fingerprint256, {
        stage,
        atMs: stage === undefined && problem === undefined ? atMs - dayMs : atMs,
      });
    }
    this.#told = kept;
  }

  #tellEnd(path: string, { names, validTo }: ServedCertificate["facts"], now: number): void {
    this.#log.event("certificate-expires", {
      path,
      names,
      valid_to: new Date(validTo).toISOString(),
      days: Math.floor((validTo - now) / dayMs),
    });
  }
}
