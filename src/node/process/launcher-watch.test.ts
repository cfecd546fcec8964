import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../../testing/manual-clock.ts";
import { launchersOf, systemProcesses, watchLaunchers, type ProcessTable } from "./launcher-watch.ts";

/** This process is 9. */
class Processes implements ProcessTable {
  readonly ownId = 9;
  readonly parents = new Map<number, number>();
  readonly #names: ReadonlyMap<number, string>;

  /** From this process's parent upwards. */
  constructor(...above: readonly (readonly [id: number, name: string])[]) {
    this.#names = new Map(above);
    let child = this.ownId;
    for (const [id] of above) {
      this.parents.set(child, id);
      child = id;
    }
  }

  parentOf(id: number): number | undefined {
    return this.parents.get(id);
  }

  nameOf(id: number): string | undefined {
    return this.#names.get(id);
  }
}

const npm = { npm_lifecycle_event: "npx" };

test("launchers are ours, npm, and the shells below npm; nobody else is watched", () => {
  const chain = [[8, "node"], [7, "sh"], [6, "npm exec postha"], [5, "bash"], [1, "init"]] as const; // prettier-ignore
  assert.deepEqual(launchersOf({ POSTHASTE_LAUNCHER: "8", ...npm }, new Processes(...chain)), [8, 7, 6]);
  assert.deepEqual(launchersOf(npm, new Processes(...chain.slice(1))), [7, 6]);
  assert.deepEqual(launchersOf(npm, new Processes(...chain.slice(2))), [6]);
  assert.deepEqual(launchersOf({ POSTHASTE_LAUNCHER: "8" }, new Processes(...chain)), [8]);
  assert.deepEqual(launchersOf({ PATH: "/bin" }, new Processes(...chain)), []);
  // `posthaste dev &` in an npm script: its shell ended before.
  assert.deepEqual(launchersOf(npm, new Processes([1, "init"])), [1]);
});

test("the launcher's id is not inherited by what the server starts", () => {
  const environment: Record<string, string | undefined> = { POSTHASTE_LAUNCHER: "8", PATH: "/bin" };
  launchersOf(environment, new Processes([8, "node"]));
  assert.deepEqual(environment, { PATH: "/bin" });
});

test("a launcher that goes is noticed once, wherever in the chain; one that had gone before is noticed at once", async () => {
  for (const orphan of [9, 8, 7]) {
    const clock = new ManualClock();
    const processes = new Processes([8, "node"], [7, "sh"], [6, "npm"]);
    let noticed = 0;
    const watch = () => watchLaunchers([8, 7, 6], { clock, processes, gone: () => void noticed++ });
    watch();
    await clock.advance(10_000);
    assert.equal(noticed, 0);
    processes.parents.set(orphan, 1);
    await clock.advance(10_000);
    assert.equal(noticed, 1);
    watch();
    assert.equal(noticed, 2);
  }
});

test("the system tells the own parent, and on Linux the parents and names of others", () => {
  assert.equal(systemProcesses.parentOf(process.pid), process.ppid);
  if (process.platform !== "linux") return;
  assert.ok((systemProcesses.parentOf(process.ppid) ?? 0) > 0);
  assert.match(systemProcesses.nameOf(process.pid) ?? "", /node|MainThread/);
});
