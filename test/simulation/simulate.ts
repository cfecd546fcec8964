/**
 * One simulation from a seed: a world is made, mail and faults run their course over some days of its time, then all is put
 * in order, what is in the queue drains, and the checkers look.
 */
import { isDeepStrictEqual } from "node:util";
import { Chance } from "./chance.ts";
import { checkAtRest, checkEnd, checkNow, checkSafety, summary } from "./checkers.ts";
import { contestedReloads, type Fault, planFaults, reloadsAmid } from "./fault-plan.ts";
import { FaultInjector } from "./faults.ts";
import { lineOf, type LoggedEvent, Machine } from "./machine.ts";
import { characters, Receiver, soonBusy, takesMinutes } from "./receivers.ts";
import { cueOf, sceneOf, spared } from "./scenes.ts";
import { Stage } from "./stage.ts";
import { burstsWithin, type Flood, Workload } from "./workload.ts";
import { settingsOf, worldNumbers } from "./world.ts";
import type { WorldView } from "./world-view.ts";

const hour = 3_600_000;
/**
 * The server may have so much to do in all, far above what it ever has: what goes round in circles without rest is ended
 * here.
 */
const stepsMax = 1_500_000;
/** One seed in so many has the spool of real servers; such a world takes some ten times as long. */
const sqliteEvery = 31;
/** Such a spool keeps longer content in files of its own. */
const inDatabaseBytesMax = 200_000;

export interface SimulationOptions {
  readonly seed: number;
  /** Instead of the seed's own: a part of them. */
  readonly faults?: readonly Fault[];
}

export interface SimulationResult {
  readonly seed: number;
  readonly problems: readonly string[];
  readonly faults: readonly Fault[];
  /** What the seed made of everything that can be chosen, for people. */
  readonly world: Readonly<Record<string, unknown>>;
  /** Of the log, to the octet. */
  readonly digest: string;
  readonly events: readonly LoggedEvent[];
  readonly letters: Readonly<Record<string, number>>;
  readonly simulatedMs: number;
  readonly copies: number;
  /** Of older programs, by a newer spool. */
  readonly refusals: number;
}

export async function simulate({ seed, faults: given }: SimulationOptions): Promise<SimulationResult> {
  const shape = new Chance(seed, "shape");
  const scene = sceneOf(seed);
  const numbers = { ...worldNumbers(shape), ...scene?.numbers };
  const onSqlite = seed % sqliteEvery === sqliteEvery - 1;
  const settings = { ...settingsOf(numbers, shape), ...scene?.settings };
  const machine = new Machine(seed, settings, {
    onSqlite,
    withTls: scene?.withTls === true,
    isMeasured: scene?.isMeasured === true,
  });
  const { clock } = machine;
  const passing = new Passing(machine);
  // Where a scene is played, nobody else keeps deliveries for minutes.
  const ordinary = scene === undefined ? characters : characters.filter((character) => !takesMinutes.has(character));
  const receivers = await Promise.all(
    Array.from({ length: 2 + shape.below(6) }, async (_, index) => {
      // One of them is always in order, and mail for another waits in a flood.
      const isFlooded = index === 1 && numbers.flooded;
      const character = index === 0 ? "healthy" : shape.pick(isFlooded ? soonBusy : ordinary);
      const forwarded = (reversePath: string, marker: string) => workload.bounce(reversePath, marker);
      const repliesWhole = machine.chunkBytes > 1_000;
      const parts = { clock, chance: new Chance(seed, `receiver ${index}`), forwarded, repliesWhole };
      const receiver = new Receiver(`d${index}.test`, `198.51.100.${100 + index}`, character, parts);
      await receiver.listen(machine.network, machine.dns);
      return receiver;
    }),
  );
  const [healthy] = receivers;
  if (healthy === undefined) throw new Error("a world without anybody");
  const withinMs = scene?.isLong === true ? 48 * hour : shape.pick([2, 12, 48]) * hour;
  const floods: readonly Flood[] = receivers
    .slice(1, numbers.flooded ? 2 : 1)
    .map((receiver) => ({ atMs: shape.below(withinMs), receiver, letters: 20 + shape.below(60) }));
  const busyAtMs = [...burstsWithin(withinMs), ...floods.map(({ atMs }) => atMs)];
  const cue = scene === undefined ? undefined : cueOf(new Chance(seed, "cue"), scene, withinMs);
  const planned = faultsOf(seed, { withinMs, receivers: receivers.length, busyAtMs }, floods);
  const faults = given ?? (cue === undefined ? planned : spared(planned, cue));
  // Large content in tiny pieces says nothing that small content does not.
  const bytesMax = Math.min(machine.chunkBytes * 2000, onSqlite ? inDatabaseBytesMax : Infinity);
  const workload = new Workload(machine, receivers, new Chance(seed, "workload"), bytesMax);
  // Those of a scene come to them.
  const everybody = [...receivers];
  const injector = new FaultInjector(machine, everybody, numbers, new Chance(seed, "fault details"));
  const stage = new Stage({
    ...{ machine, workload, healthy, seed, atMs: cue?.atMs ?? 0 },
    chance: new Chance(seed, "scene"),
    faults: injector,
  });
  const view: WorldView = { machine, receivers: everybody, workload, faults: injector, numbers, stage };
  const problems: string[] = [];

  await passing.until(machine.start());
  injector.schedule(faults);
  workload.schedule(10 + shape.below(60), withinMs);
  const operators = new Chance(seed, "operators");
  for (const flood of floods) {
    workload.flood(flood);
    workload.operateOn(flood, operators);
  }
  await scene?.play(stage);
  everybody.push(...stage.receivers);
  const lastTroubleOf = (now: number) =>
    Math.max(0, ...faults.map(({ atMs, lastsMs }) => atMs + lastsMs).filter((at) => at <= now));
  const start = clock.monotonicMs();
  try {
    for (let passed = 0; passed < withinMs; passed += hour) {
      await passing.advance(hour);
      const busy = faults.some(({ atMs, lastsMs }) => atMs <= passed + hour && passed + hour < atMs + lastsMs);
      if (!busy) problems.push(...(await passing.until(checkNow(view, start + lastTroubleOf(passed + hour)))));
    }
    problems.push(...(await passing.until(checkSafety(view))));
    injector.heal();
    await passing.advance(hour);
    await passing.until(workload.operate("release", {}));
    await passing.advance(20 * hour);
    // What past trouble left in memory would still be there.
    problems.push(...(await checkAtRest(view, () => passing.advance(2 * hour))));
    problems.push(...(await stopUnderLoad(view, passing)));
    await passing.advance(40 * hour);
    problems.push(...(await checkAtRest(view, () => passing.advance(2 * hour))));
    problems.push(...(await passing.until(checkEnd(view))));
    for (const left of await passing.until(machine.stop()))
      problems.push(`at the end, a stopped server left ${left} behind`);
  } catch (error) {
    if (!(error instanceof NoRest)) throw error;
    problems.push(error.message);
  } finally {
    await machine.store?.remove();
  }
  return {
    seed,
    // What may never happen is looked for twice.
    problems: [...new Set(problems)],
    faults,
    world: {
      ...numbers,
      spool: onSqlite ? "SQLite" : "journal",
      receivers: everybody.map(({ domain, character }) => `${domain} ${character}`),
      scene: scene === undefined ? "none" : `${scene.name}, ${Math.round(stage.atMs / 60_000)} minutes after the start`,
    },
    digest: machine.digest,
    events: machine.events,
    letters: summary(workload.sent),
    simulatedMs: clock.monotonicMs() - start,
    copies: everybody.reduce((sum, { copies }) => sum + copies.length, 0),
    refusals: machine.refusals,
  };
}

function faultsOf(seed: number, options: Parameters<typeof planFaults>[1], floods: readonly Flood[]): readonly Fault[] {
  const faults = [
    ...planFaults(new Chance(seed, "faults"), options),
    ...reloadsAmid(floods, new Chance(seed, "reloads")),
  ];
  return [...faults, ...contestedReloads(faults, new Chance(seed, "contested reloads"), options)];
}

/** In the middle of deliveries, on a machine in good order: everything is closed and given back. */
async function stopUnderLoad({ machine, workload }: WorldView, passing: Passing): Promise<readonly string[]> {
  workload.burst();
  await passing.advance(1_000);
  const problems = (await passing.until(machine.stop())).map(
    (left) => `stopped under load, a server left ${left} behind`,
  );
  if (machine.claimedAtStop > 0) problems.push(`stopped under load, a server left ${machine.claimedAtStop} claimed`);
  await passing.until(machine.start());
  return problems;
}

/** Leaves out faults for as long as the same kind of problem remains. */
export async function shrink(failed: SimulationResult, run = simulate): Promise<SimulationResult> {
  let smallest = failed;
  for (let at = 0; at < smallest.faults.length;) {
    const faults = smallest.faults.toSpliced(at, 1);
    const again = await run({ seed: failed.seed, faults });
    if (again.problems.length > 0) smallest = again;
    else at++;
  }
  return smallest;
}

/** Two runs of one seed must be the same; else, where they part is one more problem. */
export async function simulateTwice(options: SimulationOptions): Promise<SimulationResult> {
  const first = await simulate(options);
  const second = await simulate(options);
  if (first.digest === second.digest && isDeepStrictEqual(first.letters, second.letters)) return first;
  const at = first.events.findIndex((event, index) => {
    const other = second.events[index];
    return other === undefined || lineOf(event) !== lineOf(other);
  });
  const [one, other] = [first, second].map(({ events }) => {
    const event = events[at === -1 ? first.events.length : at];
    return event === undefined ? "the end" : lineOf(event);
  });
  return { ...first, problems: [...first.problems, `two runs differ: first ${one}, then ${other}`] };
}

class NoRest extends Error {}

/** How time passes. */
class Passing {
  readonly #machine: Machine;
  #steps = 0;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  async advance(ms: number): Promise<void> {
    const { clock } = this.#machine;
    const until = clock.monotonicMs() + ms;
    await this.#settled();
    while (clock.monotonicMs() < until) {
      if (!clock.step(until - clock.monotonicMs())) continue;
      if (++this.#steps > stepsMax) throw new NoRest(`${stepsMax} timers fired: somebody goes round in circles`);
      await this.#settled();
    }
  }

  /** Lets time pass until `work` is done; a day is more than anything takes. */
  async until<T>(work: Promise<T>): Promise<T> {
    let over = false;
    const done = work.finally(() => {
      over = true;
    });
    done.catch(() => undefined);
    await this.#settled();
    for (let waited = 0; !over && waited < 24 * hour; waited += 1000) await this.advance(1000);
    if (!over) throw new Error("something that should end does not");
    return await done;
  }

  /** Promises that wait for nothing but others go on within one turn of the event loop; what takes real time is awaited. */
  async #settled(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    await this.#machine.store?.quiet();
  }
}
