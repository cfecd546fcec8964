/**
 * Where a scene is played: it brings hosts of its own into the world, has letters written, and promises for some of them
 * when they are done, which a checker looks after.
 */
import type { SettingsInput } from "../../src/config/settings-schema.ts";
import type { OverloadCause } from "../../src/policy/readiness.ts";
import type { NotReady } from "../../src/policy/readiness.ts";
import { Chance } from "./chance.ts";
import type { FaultInjector } from "./faults.ts";
import type { Machine } from "./machine.ts";
import { type Character, Receiver } from "./receivers.ts";
import type { CarriedOut, Errand, Sent, Workload } from "./workload.ts";
import type { WorldNumbers } from "./world.ts";

export interface Scene {
  readonly name: string;
  /** What it needs of the world. */
  readonly numbers: Partial<WorldNumbers>;
  /** In place of the world's. */
  readonly settings?: Partial<SettingsInput>;
  /** It goes on for two days. */
  readonly isLong?: boolean;
  /** TLS is an attacker's matter, and domains publish policies. */
  readonly withTls?: boolean;
  /** It strains the machine, and the server measures that. */
  readonly isMeasured?: boolean;
  /** Runs before anything happens, and sets timers. */
  readonly play: (stage: Stage) => Promise<void>;
}

/** However the others fare, the letter is done by then: none of its recipients waits any more. */
export interface Promised {
  readonly sent: Sent;
  readonly withinMs: number;
  /** An operator's verb is no excuse, unless it was carried out. */
  readonly despiteVerbs?: boolean;
}

/** The letter reaches all its recipients by then. Times of this are those of the clock that nobody sets. */
export interface Arrival {
  readonly sent: Sent;
  readonly byMs: number;
  /** Its sender hears of no delay. */
  readonly unwarned?: boolean;
}

/** The content of the letter was missing between those times, of the clock that nobody sets; it was due meanwhile. */
export interface ContentLoss {
  readonly sent: Sent;
  readonly fromMs: number;
  readonly toMs: number;
}

/** The machine was strained between those times, of the clock that nobody sets. */
export interface Strain {
  readonly cause: OverloadCause;
  readonly fromMs: number;
  readonly toMs: number;
}

/** What `/readyz` said. */
export interface Probe {
  readonly atMs: number;
  /** Empty: ready. */
  readonly causes: readonly NotReady[];
}

type SceneFaults = Pick<FaultInjector, "setClock" | "failDisk" | "hangSpool" | "losePowerInMailbox" | "restart">;

export class Stage {
  readonly machine: Machine;
  readonly workload: Workload;
  readonly chance: Chance;
  /** A receiver of the world that is always well. */
  readonly healthy: Receiver;
  readonly receivers: Receiver[] = [];
  readonly promises: Promised[] = [];
  readonly arrivals: Arrival[] = [];
  readonly losses: ContentLoss[] = [];
  readonly strains: Strain[] = [];
  readonly probes: Probe[] = [];
  /** When an operator of the scene acted; that is no excuse for what the scene promises. */
  readonly operations = new Set<number>();
  /** Mailboxes whose file system hangs for a while: their users wait, and nobody else. */
  readonly hangingMailboxes = new Set<string>();
  /** When it begins, in time since the start. */
  readonly atMs: number;
  readonly faults: SceneFaults;
  readonly #seed: number;
  readonly #named = new Set<string>();

  constructor(parts: {
    readonly machine: Machine;
    readonly workload: Workload;
    readonly healthy: Receiver;
    readonly chance: Chance;
    readonly seed: number;
    readonly atMs: number;
    readonly faults: SceneFaults;
  }) {
    this.machine = parts.machine;
    this.workload = parts.workload;
    this.healthy = parts.healthy;
    this.chance = parts.chance;
    this.#seed = parts.seed;
    this.atMs = parts.atMs;
    this.faults = parts.faults;
  }

  async host(
    domain: string,
    character: Character,
    options: {
      readonly keywords?: () => readonly string[];
      readonly replies?: (from: string, to: string) => void;
    } = {},
  ): Promise<Receiver> {
    const { machine } = this;
    const address = `198.51.100.${200 + this.receivers.length}`;
    const chance = this.chanceOf(domain);
    const parts = { clock: machine.clock, forwarded: () => undefined, repliesWhole: machine.chunkBytes > 1_000 };
    const receiver = new Receiver(domain, address, character, { ...parts, ...options, chance });
    await receiver.listen(machine.network, machine.dns);
    this.receivers.push(receiver);
    return receiver;
  }

  /** A domain whose MX host is one more name of the receiver's machine, if not its own: another site at the same address. */
  name(domain: string, { address, domain: own }: Receiver, host = `mx.${domain}`): void {
    this.#named.add(own);
    const { records } = this.machine.dns;
    records.addMx(domain, `10 ${host}`);
    if (host !== `mx.${own}`) records.add(host, "A", address);
  }

  hasManyNames(domain: string): boolean {
    return this.#named.has(domain);
  }

  /** A second MX host, which is to be asked where the first cannot be reached. */
  backUp(domain: string, { address }: Receiver): void {
    const { records } = this.machine.dns;
    records.addMx(domain, `50 backup.${domain}`);
    records.add(`backup.${domain}`, "A", address);
  }

  send(afterMs: number, errand: Errand): Sent {
    return this.workload.send(this.atMs + afterMs, errand);
  }

  /** Sends it, and promises that it is done so many milliseconds after it was accepted. */
  promise(withinMs: number, afterMs: number, errand: Errand, options: Pick<Promised, "despiteVerbs"> = {}): void {
    this.promises.push({ sent: this.send(afterMs, errand), withinMs, ...options });
  }

  /** Sends it, and promises that all its recipients have it so many milliseconds after the scene began. */
  arrives(byMs: number, afterMs: number, errand: Errand, options: Pick<Arrival, "unwarned"> = {}): Sent {
    const sent = this.send(afterMs, errand);
    this.arrivals.push({ sent, byMs: this.machine.clock.monotonicMs() + this.atMs + byMs, ...options });
    return sent;
  }

  /** The content of the letter is missing between those times. */
  loseContent(sent: Sent, fromMs: number, toMs: number): void {
    const { lostContents, clock } = this.machine;
    const beginsAtMs = clock.monotonicMs() + this.atMs;
    this.losses.push({ sent, fromMs: beginsAtMs + fromMs, toMs: beginsAtMs + toMs });
    this.at(fromMs, () => {
      if (sent.outcome?.kind === "accepted") lostContents.add(sent.outcome.id);
    });
    this.at(toMs, () => {
      if (sent.outcome?.kind === "accepted") lostContents.delete(sent.outcome.id);
    });
  }

  /** The machine is strained between those times. */
  strain(cause: OverloadCause, fromMs: number, toMs: number): void {
    const beginsAtMs = this.machine.clock.monotonicMs() + this.atMs;
    this.strains.push({ cause, fromMs: beginsAtMs + fromMs, toMs: beginsAtMs + toMs });
  }

  /** A balancer asks whether the server is ready. */
  probe(afterMs: number): void {
    this.at(afterMs, () => {
      const atMs = this.machine.clock.monotonicMs();
      void this.machine
        .api("/readyz")
        .then((answer) => {
          if (answer === undefined) return;
          const { causes = [] } = answer as { readonly causes?: readonly NotReady[] };
          this.probes.push({ atMs, causes });
        })
        .catch(() => undefined);
    });
  }

  operate(afterMs: number, verb: CarriedOut["verb"], domain: string): void {
    this.at(afterMs, () => {
      this.operations.add(this.machine.clock.monotonicMs());
      void this.workload.operate(verb, { domain });
    });
  }

  at(afterMs: number, act: () => void): void {
    this.machine.clock.setTimer(Math.max(0, this.atMs + afterMs), act);
  }

  chanceOf(part: string): Chance {
    return new Chance(this.#seed, `scene ${part}`);
  }
}
