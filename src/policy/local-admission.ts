/** The admission of a server whose sessions live in this thread: everything is counted in memory, and answered at once. */
import type { Clock } from "../ports/clock.ts";
import type { Files } from "../ports/files.ts";
import type { HostMeasures } from "../ports/host-measures.ts";
import type { Log } from "../ports/log.ts";
import type { ClaimTerms } from "../spool/spool.ts";
import type { Admission, ConnectionHolder, ConnectionId, ConnectionProgress, Entry, Newcomer } from "./admission.ts";
import type { Bans, Conduct } from "./bans.ts";
import type { Client } from "./client.ts";
import { ConnectionLimits } from "./connection-limits.ts";
import type { Refusal } from "./decision.ts";
import { DroppedConnections } from "./dropped-connections.ts";
import { FreeSpace } from "./free-space.ts";
import { MessageRate } from "./message-rate.ts";
import { NewRecipients } from "./new-recipients.ts";
import { Overload } from "./overload.ts";
import type { NotReady } from "./readiness.ts";
import type { LimitsSettings } from "./settings.ts";

export interface LocalAdmissionOptions {
  readonly limits: LimitsSettings;
  /** Sessions that the system can carry, whatever the settings say. */
  readonly ceiling?: number;
  readonly files: Files;
  readonly clock: Clock;
  readonly log: Log;
  /** Where mail is stored. */
  readonly path: string;
  /** Absent: nobody is banned. */
  readonly bans?: Bans;
  /** Absent: nobody measures, so nothing is overload. */
  readonly measures?: HostMeasures;
  /** How long a commit took lately, in milliseconds. */
  readonly spoolDelayMs?: () => number;
  /** The queue's answer. */
  readonly claimTerms: (domains: readonly string[]) => ClaimTerms | undefined;
}

export class LocalAdmission implements Admission {
  readonly #options: LocalAdmissionOptions;
  readonly #connections: ConnectionLimits;
  readonly #rate: MessageRate;
  readonly #recipients: NewRecipients;
  readonly #space: FreeSpace;
  readonly #overload: Overload | undefined;

  private constructor(options: LocalAdmissionOptions, space: FreeSpace) {
    const { limits, ceiling, clock, log, bans, measures, path, spoolDelayMs = () => 0 } = options;
    const lost = new DroppedConnections(log, clock);
    this.#options = options;
    this.#space = space;
    this.#rate = new MessageRate(limits.client_message_rate);
    this.#recipients = new NewRecipients(limits.new_recipients);
    const overload =
      measures && new Overload({ limits, measures, clock, log, path, freeBytes: () => space.free, spoolDelayMs });
    this.#overload = overload;
    this.#connections = new ConnectionLimits(limits, clock, {
      ...(ceiling !== undefined && { ceiling }),
      ...(bans && { refusalOfBan: ({ address, listener }) => bans.refusalOf(address, listener) }),
      ...(overload && { overload: () => overload.refusal() }),
      dropped: (address, reason) => lost.note(address, reason),
    });
  }

  static async open(options: LocalAdmissionOptions): Promise<LocalAdmission> {
    const { files, clock, log, path, limits } = options;
    return new LocalAdmission(options, await FreeSpace.open({ files, clock, log, path, reserve: limits.free_space }));
  }

  reconfigure(limits: LimitsSettings): void {
    this.#connections.reconfigure(limits);
    this.#rate.reconfigure(limits.client_message_rate);
    this.#recipients.perDay = limits.new_recipients;
    this.#space.reconfigure(limits.free_space);
    this.#overload?.reconfigure(limits);
  }

  /** Why mail that came now would be refused; empty: it would not. */
  notReady(): readonly NotReady[] {
    const { free: measured, reserve: limit } = this.#space;
    const isShort = this.#space.check(0) !== undefined;
    return [...(this.#overload?.causes() ?? []), ...(isShort ? [{ cause: "space", measured, limit } as const] : [])];
  }

  /** No measure is taken by itself any more. */
  stop(): void {
    this.#overload?.stop();
  }

  serve(holder: ConnectionHolder): void {
    this.#connections.serve(holder);
  }

  enter(newcomer: Newcomer): Entry | undefined | Promise<Entry | undefined> {
    return this.#connections.enter(newcomer);
  }

  note(connection: ConnectionId, progress: ConnectionProgress): void {
    this.#connections.note(connection, progress);
  }

  roomFor(octets: number): Refusal | undefined {
    return this.#space.check(octets);
  }

  countMessage(client: Client): Refusal | undefined {
    return this.#rate.check(client, this.#options.clock.monotonicMs());
  }

  refusalOfBan({ address, listener }: Client): Refusal | undefined {
    return this.#options.bans?.refusalOf(address, listener);
  }

  noteConduct(client: Client, conduct: Conduct): number {
    return this.#options.bans?.note(client, conduct) ?? 0;
  }

  countRecipient(login: string, recipient: string): Refusal | undefined {
    return this.#recipients.check(login, recipient, this.#options.clock.monotonicMs());
  }

  claimTerms(domains: readonly string[]): ClaimTerms | undefined {
    return this.#options.claimTerms(domains);
  }
}
