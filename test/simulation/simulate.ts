/**
 * One simulation from a seed: a world is made, mail and faults run their course over some days of its time, then all is put
 * in order, what is in the queue drains, and the checkers look.
 */
import { isDeepStrictEqual } from "node:util";
import type { SettingsInput } from "../../src/config/settings-schema.ts";
import { Chance } from "./chance.ts";
import { checkEnd, checkNow, summary, type WorldView } from "./checkers.ts";
import { type Fault, FaultInjector, planFaults } from "./faults.ts";
import { aliasTargets, insideAddress, Machine, serverAddress } from "./machine.ts";
import { characters, Receiver } from "./receivers.ts";
import { Workload } from "./workload.ts";

const hour = 3_600_000;
const deliveriesPerSiteMax = 5;
/** Promises that wait for nothing but others go on within so many turns of the event loop. */
const turns = 1;

export interface SimulationOptions {
  readonly seed: number;
  /** Instead of the seed's own: a part of them. */
  readonly faults?: readonly Fault[];
}

export interface SimulationResult {
  readonly seed: number;
  readonly problems: readonly string[];
  readonly faults: readonly Fault[];
  /** Of the log, to the octet. */
  readonly digest: string;
  readonly letters: Readonly<Record<string, number>>;
  readonly simulatedMs: number;
  readonly copies: number;
}

export async function simulate({ seed, faults: given }: SimulationOptions): Promise<SimulationResult> {
  const shape = new Chance(seed, "shape");
  const machine = new Machine(seed, settings);
  const { clock } = machine;
  const receivers = await Promise.all(
    Array.from({ length: 2 + shape.below(6) }, async (_, index) => {
      // One of them is always in order.
      const character = index === 0 ? "healthy" : shape.pick(characters);
      const chance = new Chance(seed, `receiver ${index}`);
      const receiver = new Receiver(`d${index}.test`, `198.51.100.${100 + index}`, character, { clock, chance });
      await receiver.listen(machine.network, machine.resolver);
      return receiver;
    }),
  );
  const withinMs = shape.pick([2, 12, 48]) * hour;
  const faults = given ?? planFaults(new Chance(seed, "faults"), { withinMs, receivers: receivers.length });
  const injector = new FaultInjector(machine, receivers, new Chance(seed, "fault details"));
  // Large content in tiny pieces says nothing that small content does not.
  const workload = new Workload(machine, receivers, new Chance(seed, "workload"), machine.chunkBytes * 2000);
  const view: WorldView = { machine, receivers, workload, faults: injector, deliveriesPerSiteMax };
  const problems: string[] = [];

  await run(machine, machine.start());
  injector.schedule(faults);
  workload.schedule(10 + shape.below(60), withinMs);
  const lastTroubleOf = (now: number) =>
    Math.max(0, ...faults.map(({ atMs, lastsMs }) => atMs + lastsMs).filter((at) => at <= now));
  const start = clock.monotonicMs();
  for (let passed = 0; passed < withinMs; passed += hour) {
    await advance(machine, hour);
    const busy = faults.some(({ atMs, lastsMs }) => atMs <= passed + hour && passed + hour < atMs + lastsMs);
    if (!busy) problems.push(...(await run(machine, checkNow(view, start + lastTroubleOf(passed + hour)))));
  }
  injector.heal();
  await advance(machine, hour);
  await run(machine, workload.operate("release", {}));
  await advance(machine, 60 * hour);
  problems.push(...(await run(machine, checkEnd(view))));
  for (const left of await run(machine, machine.stop()))
    problems.push(`at the end, a stopped server left ${left} behind`);
  return {
    seed,
    problems,
    faults,
    digest: machine.digest,
    letters: summary(workload.sent),
    simulatedMs: clock.monotonicMs() - start,
    copies: receivers.reduce((sum, { copies }) => sum + copies.length, 0),
  };
}

/** Leaves out faults for as long as the same kind of problem remains. */
export async function shrink(failed: SimulationResult): Promise<SimulationResult> {
  let smallest = failed;
  for (let at = 0; at < smallest.faults.length;) {
    const faults = smallest.faults.toSpliced(at, 1);
    const again = await simulate({ seed: failed.seed, faults });
    if (again.problems.length > 0) smallest = again;
    else at++;
  }
  return smallest;
}

export async function isRepeatable(seed: number): Promise<boolean> {
  const [first, second] = [await simulate({ seed }), await simulate({ seed })];
  return first.digest === second.digest && isDeepStrictEqual(first.letters, second.letters);
}

/** Lets simulated time pass. */
async function advance({ clock }: Machine, ms: number): Promise<void> {
  const until = clock.monotonicMs() + ms;
  await settled();
  while (clock.monotonicMs() < until) {
    if (clock.step(until - clock.monotonicMs())) await settled();
  }
}

/** Lets time pass until `work` is done; a day is more than anything takes. */
async function run<T>(machine: Machine, work: Promise<T>): Promise<T> {
  let over = false;
  const done = work.finally(() => {
    over = true;
  });
  done.catch(() => undefined);
  await settled();
  for (let waited = 0; !over && waited < 24 * hour; waited += 1000) {
    await advance(machine, 1000);
  }
  if (!over) throw new Error("something that should end does not");
  return await done;
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

const settings: SettingsInput = {
  hostname: "mail.example.org",
  data_dir: "/data",
  stop_within: "20s",
  listener: [{ kind: "mx", listen: `${serverAddress}:25` }],
  domain: [{ name: "example.org" }],
  user: [{ address: "ann@example.org" }, { address: "bob@example.org" }],
  alias: Object.entries(aliasTargets).map(([address, to]) => ({ address, to: [...to] })),
  relay: { networks: [`${insideAddress}/32`] },
  queue: { expire: "2d", deliveries_per_site: deliveriesPerSiteMax },
};
