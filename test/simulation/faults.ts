/** Makes what a plan has go wrong at its time, takes it back, and knows afterwards what went on when. */
import type { SettingsInput } from "../../src/config/settings-schema.ts";
import { newestFormat } from "../../src/testing/spool/journal-format.ts";
import type { Chance } from "./chance.ts";
import { troubleDns } from "./dns-faults.ts";
import { type Fault, type FaultKind, ofOneReceiver, onLines, unnoticed } from "./fault-plan.ts";
import { startInstalled } from "./format-faults.ts";
import type { Machine } from "./machine.ts";
import type { Receiver } from "./receivers.ts";
import { manyDeliveries, serverAddress, shortenedExpiry, type WorldNumbers } from "./world.ts";

const minute = 60_000;
const onDisk: ReadonlySet<FaultKind> = new Set(["disk-full", "sync-fails", "disk-slow"]);

export class FaultInjector {
  readonly #machine: Machine;
  readonly #receivers: readonly Receiver[];
  readonly #chance: Chance;
  /** Rises whenever something goes on that may lose a reply on the wire, by address. */
  readonly disturbances = new Map<string, number[]>();
  readonly problems: string[] = [];
  /** How often the wall clock was set, or the machine slept: then it does not tell durations. */
  clockJumps = 0;
  /** By how much it was set, and when in monotonic time. */
  readonly jumps: { readonly atMs: number; readonly byMs: number }[] = [];
  readonly #numbers: WorldNumbers;
  readonly #begun: { readonly fault: Fault; readonly from: number; to: number }[] = [];
  /** The disk was slow, full or failing at some time. */
  diskTrouble = false;
  readonly #hurtDisk: { readonly from: number; readonly to: number }[] = [];
  readonly #users: SettingsInput["user"];
  #healed = false;
  #starting = false;

  constructor(machine: Machine, receivers: readonly Receiver[], numbers: WorldNumbers, chance: Chance) {
    this.#machine = machine;
    this.#numbers = numbers;
    this.#users = machine.settings.user;
    this.#receivers = receivers;
    this.#chance = chance;
  }

  schedule(faults: readonly Fault[]): void {
    for (const fault of faults) {
      this.#machine.clock.setTimer(fault.atMs, () => {
        if (this.#healed) return;
        const from = this.#machine.clock.monotonicMs();
        this.#begun.push({ fault, from, to: from + fault.lastsMs });
        this.#begin(fault);
      });
    }
  }

  /**
   * Whether a reply of the receiver's may have been lost, so that it is given the same once more. No trouble of the disk, of
   * DNS or of the clock is an excuse for that.
   */
  repliesTroubled(from: number, to: number, receiver: Receiver): boolean {
    return this.troubled(from, to, receiver, ({ kind }) => onLines.has(kind));
  }

  /** Whether something went on that mail to the receiver may have noticed; without one, that all mail may have. */
  troubled(
    from: number,
    to: number,
    receiver?: Receiver,
    counts: (fault: Fault) => boolean = ({ kind }) => !unnoticed.has(kind),
  ): boolean {
    const during = ({ from: began, to: ended }: { readonly from: number; readonly to: number }) =>
      began <= to && from <= ended;
    const { lives } = this.#machine;
    if (!lives.some((life) => life.from <= from && to <= life.to)) return true;
    if (receiver?.names.changes.some((change) => change.refuses && during(change)) === true) return true;
    return this.#begun.some(
      (entry) =>
        during(entry) &&
        counts(entry.fault) &&
        (!ofOneReceiver.has(entry.fault.kind) ||
          (receiver !== undefined && this.#receivers[entry.fault.receiver % this.#receivers.length] === receiver)),
    );
  }

  /** Whether the disk was full, slow or failing at some time between those. */
  diskTroubled(from: number, to: number): boolean {
    return (
      this.#begun.some(({ fault, ...entry }) => onDisk.has(fault.kind) && entry.from <= to && from <= entry.to) ||
      this.#hurtDisk.some((entry) => entry.from <= to && from <= entry.to)
    );
  }

  /** A scene has the disk refuse everything for a while. */
  failDisk(lastsMs: number): void {
    const { files, clock } = this.#machine;
    const from = clock.monotonicMs();
    this.diskTrouble = true;
    this.#hurtDisk.push({ from, to: from + lastsMs });
    files.syncFailures = 1;
    clock.setTimer(lastsMs, () => (files.syncFailures = 0));
  }

  /** A scene has each sync of the spool take so much longer for a while. */
  hangSpool(longerMs: number, lastsMs: number): void {
    const { files, clock } = this.#machine;
    const from = clock.monotonicMs();
    this.diskTrouble = true;
    this.#hurtDisk.push({ from, to: from + lastsMs + longerMs });
    files.hanging.set("/data/journal", longerMs);
    clock.setTimer(lastsMs, () => files.hanging.delete("/data/journal"));
  }

  /** Whether such a thing went on at any time. */
  happened(kind: FaultKind): boolean {
    return this.#begun.some(({ fault }) => fault.kind === kind);
  }

  /** Whether DNS kept answers back that it owed, at some time between those. */
  dnsTroubled(from = 0, to = Number.POSITIVE_INFINITY): boolean {
    return this.#begun.some(
      (entry) =>
        entry.fault.kind.startsWith("dns-") && !unnoticed.has(entry.fault.kind) && entry.from <= to && from <= entry.to,
    );
  }

  /** When the receiver could not be reached at all, in monotonic time. */
  cutOff(receiver: Receiver): readonly { readonly from: number; readonly to: number }[] {
    return this.#begun.filter(
      ({ fault }) =>
        fault.kind === "receiver-cut-off" && this.#receivers[fault.receiver % this.#receivers.length] === receiver,
    );
  }

  /** Everything is in order from here on; a server that is down comes up. */
  heal(): void {
    this.#healed = true;
    for (const begun of this.#begun) begun.to = Math.min(begun.to, this.#machine.clock.monotonicMs());
    void this.#machine.reload({ route: [], user: this.#users });
    const { network, files, dns } = this.#machine;
    for (const { address } of this.#receivers.flatMap(({ addresses }) => addresses)) {
      network.join(address);
      network.slow(address, 1);
    }
    dns.heal();
    this.#machine.wake();
    network.join(serverAddress);
    files.space = Number.POSITIVE_INFINITY;
    files.syncFailures = 0;
    files.slowness = 1;
    files.atSync = undefined;
    for (const receiver of this.#receivers) receiver.heal();
    if (!this.#machine.isUp) this.#comeUp();
  }

  #begin({ kind, lastsMs, receiver: index }: Fault): void {
    const machine = this.#machine;
    const { network, files, clock } = machine;
    const receiver = this.#receivers[index % this.#receivers.length];
    if (receiver === undefined) return;
    const eachAddress = (act: (address: string) => void) => {
      for (const { address } of receiver.addresses) act(address);
    };
    const later = (undo: () => void) => {
      clock.setTimer(lastsMs, () => {
        if (!this.#healed) undo();
      });
    };
    switch (kind) {
      case "kill":
        machine.kill();
        return later(() => this.#comeUp());
      case "power-loss":
        machine.losePower();
        return later(() => this.#comeUp());
      case "kill-in-write":
      case "power-loss-in-write":
        return this.#crashInWrite(kind, "running", () => later(() => this.#comeUp()));
      case "restart":
        return this.#stop(() => later(() => this.#comeUp()));
      case "upgrade":
      case "rollback":
        return this.#stop(() => {
          const former = machine.program;
          machine.program = kind === "upgrade" ? newestFormat : 1;
          later(() => this.#comeUp());
          if (this.#chance.is(0.4)) return;
          const crash = this.#chance.pick(["kill-in-write", "power-loss-in-write"] as const);
          this.#crashInWrite(crash, "starting", () => {
            // Who has tried the new program in vain may go back to the old one.
            if (this.#chance.is(0.3)) machine.program = former;
            later(() => this.#comeUp());
          });
        });
      case "reload":
        if (machine.isUp && !this.#starting) {
          const { deliveriesPerSite, expireMs } = this.#numbers;
          const expire = `${Math.round((expireMs * this.#chance.pick([1, shortenedExpiry])) / minute)}m`;
          const deliveries_per_site = 1 + this.#chance.below(deliveriesPerSite);
          void machine.reload({ queue: { ...machine.settings.queue, deliveries_per_site, expire } });
        }
        return;
      case "route-changes":
        void machine.reload({ route: [{ domain: receiver.domain, via: "relay", host: "mx.d0.test" }] });
        return later(() => void machine.reload({ route: [] }));
      case "reload-refused": {
        // Each of these would be seen: mail that goes elsewhere, a mailbox that nobody has, too many deliveries at once.
        const { user, queue } = machine.settings;
        return void machine.reloadInVain({
          route: [{ domain: receiver.domain, via: "relay", host: "mx.d0.test" }],
          user: user?.filter(({ address }) => address !== "bob@example.org"),
          queue: { ...queue, deliveries: manyDeliveries, deliveries_per_site: 50 },
        });
      }
      case "user-removed": {
        const { user } = machine.settings;
        void machine.reload({ user: user?.filter(({ address }) => address !== "bob@example.org") });
        return later(() => void machine.reload({ user: this.#users }));
      }
      case "disk-full":
        this.diskTrouble = true;
        files.space = Math.floor(this.#chance.next() * 20_000);
        return later(() => (files.space = Number.POSITIVE_INFINITY));
      case "sync-fails":
        this.diskTrouble = true;
        files.syncFailures = this.#chance.between(0.05, 1);
        return later(() => (files.syncFailures = 0));
      case "disk-slow":
        this.diskTrouble = true;
        files.slowness = this.#chance.between(10, 3000);
        return later(() => (files.slowness = 1));
      case "dns-silent":
      case "dns-late":
      case "dns-zone-fails":
      case "dns-server-dead":
      case "dns-server-errs":
      case "dns-truncates":
      case "dns-tcp-fails":
      case "dns-forged":
      case "dns-servers-restart":
        return later(troubleDns(machine.dns, kind, receiver.domain, this.#chance));
      case "receiver-cut-off":
        this.#disturb(receiver.address);
        eachAddress((address) => network.cut(address));
        return later(() => eachAddress((address) => network.join(address)));
      case "server-cut-off":
        for (const { address } of this.#receivers) this.#disturb(address);
        network.cut(serverAddress);
        return later(() => network.join(serverAddress));
      case "receiver-slow":
        this.#disturb(receiver.address);
        eachAddress((address) => network.slow(address, this.#chance.between(50, 20_000)));
        return later(() => eachAddress((address) => network.slow(address, 1)));
      case "connections-reset":
        this.#disturb(receiver.address);
        if (this.#chance.is(0.3)) network.reset(serverAddress);
        else eachAddress((address) => network.reset(address));
        for (const { address } of this.#receivers) this.#disturb(address);
        return;
      case "receiver-moves":
        return receiver.names.move();
      case "records-change":
        return receiver.names.rearrange();
      case "receiver-goes-silent":
        this.#disturb(receiver.address);
        return receiver.line.goSilent();
      case "clock-forward":
        return this.setClock(this.#chance.between(1000, this.#chance.pick([60, 60, 480]) * minute));
      case "clock-back":
        return this.setClock(-this.#chance.between(1000, this.#chance.pick([60, 60, 240]) * minute));
      case "sleep":
        this.clockJumps++;
        machine.fallAsleep();
        return later(() => machine.wake());
      default:
        kind satisfies never;
    }
  }

  /** Somebody sets the wall clock, forward or back. */
  setClock(ms: number): void {
    const { clock } = this.#machine;
    this.clockJumps++;
    this.jumps.push({ atMs: clock.monotonicMs(), byMs: ms });
    clock.jump(ms);
  }

  /** A scene has the server stopped in order, and started. */
  restart(): void {
    this.#stop(() => this.#comeUp());
  }

  /** In order; then `afterwards`. */
  #stop(afterwards: () => void): void {
    const machine = this.#machine;
    if (!machine.isUp || this.#starting) return;
    this.#starting = true;
    machine
      .stop()
      .then((left) => {
        for (const what of left) this.problems.push(`a stopped server left ${what} behind`);
        const claimed = machine.claimedAtStop;
        // What the disk does not take cannot be given back.
        if (claimed > 0 && !this.diskTrouble) this.problems.push(`a stopped server left ${claimed} claimed`);
      })
      .finally(() => {
        this.#starting = false;
        if (this.#healed) this.#comeUp();
        else afterwards();
      });
  }

  /** The machine ends at one of the next syncs, wherever that is: of a running server, or from its next start on. */
  #crashInWrite(
    kind: "kill-in-write" | "power-loss-in-write",
    from: "running" | "starting",
    afterwards: () => void,
  ): void {
    const machine = this.#machine;
    let left = 1 + this.#chance.below(from === "running" ? 12 : 9);
    machine.files.atSync = () => {
      if ((from === "running" && !machine.isUp) || --left > 0) return;
      machine.files.atSync = undefined;
      if (kind === "kill-in-write") machine.kill();
      else machine.losePower();
      afterwards();
    };
  }

  /** The power fails while the next message is written into a mailbox, and is back after some seconds. */
  losePowerInMailbox(): void {
    const machine = this.#machine;
    machine.files.atSync = (path) => {
      if (!machine.isUp || !/\/mail\/.*\/(?:tmp|new)\/[^/]+$/.test(path)) return;
      machine.files.atSync = undefined;
      machine.losePower();
      machine.clock.setTimer(5_000, () => this.#comeUp());
    };
  }

  #disturb(address: string): void {
    const times = this.disturbances.get(address) ?? [];
    times.push(this.#machine.clock.monotonicMs());
    this.disturbances.set(address, times);
  }

  /** Tries until the disk lets it. */
  #comeUp(): void {
    const machine = this.#machine;
    if (machine.isUp || this.#starting) return;
    this.#starting = true;
    startInstalled(machine)
      .then(
        (problems) => void this.problems.push(...problems),
        () => undefined,
      )
      .finally(() => {
        this.#starting = false;
        if (!machine.isUp) machine.clock.setTimer(30_000, () => this.#comeUp());
      });
  }
}
