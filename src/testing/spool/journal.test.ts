import { test } from "node:test";
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { isSpoolError } from "../../../test/contract/spool-fixture.ts";
import { FileError } from "../../ports/files.ts";
import { MemoryFiles } from "../memory-files.ts";
import { framed, type JournalFormat, newestFormat } from "./journal-format.ts";
import { downgradeJournal, Journal, journalFormatOf } from "./journal.ts";

const directory = "/journal";
const path = (number: number) => `${directory}/journal-0000000${number}`;

async function open(files: MemoryFiles, knows?: JournalFormat): Promise<{ journal: Journal; seen: string[] }> {
  const seen: string[] = [];
  const journal = await Journal.open(files, directory, (record) => void seen.push(record.toString()), knows);
  return { journal, seen };
}

async function recordsIn(files: MemoryFiles, knows?: JournalFormat): Promise<string[]> {
  return (await open(files, knows)).seen;
}

/** Opens, adds, closes: each time a file of its own. */
async function write(files: MemoryFiles, records: readonly string[], knows?: JournalFormat): Promise<void> {
  const { journal } = await open(files, knows);
  await journal.append(records.map((record) => Buffer.from(record)));
  await journal.close();
}

async function filesOf(files: MemoryFiles): Promise<readonly (readonly [string, Buffer])[]> {
  return await Promise.all(files.paths.map(async (name) => [name, Buffer.from(await files.readFile(name))] as const));
}

async function onlyFile(files: MemoryFiles): Promise<Buffer> {
  const [[, bytes] = ["", Buffer.alloc(0)], ...others] = await filesOf(files);
  assert.deepEqual(others, []);
  return bytes;
}

/** As a program of before there was a second format wrote them. */
const written = {
  [path(1)]: "GQAAADvBCMd7InByZXZpb3VzIjowLCJjb3VudHMiOjB9AwAAAPGGbHpvbmUDAAAAZorKEXR3bw==",
  [path(2)]: "GgAAAHnlHu57InByZXZpb3VzIjoxLCJjb3VudHMiOjU1fQUAAAD12MVGdGhyZWU=",
};

async function oldJournal(): Promise<MemoryFiles> {
  const files = new MemoryFiles();
  await files.makeDirectory(directory);
  for (const [name, base64] of Object.entries(written)) await files.replaceFile(name, Buffer.from(base64, "base64"));
  return files;
}

test("journal: files of the first format are read, and written again as they were", async () => {
  const files = await oldJournal();
  assert.deepEqual(await recordsIn(files), ["one", "two", "three"]);
  assert.equal(await journalFormatOf(files, directory), 1);
  const again = new MemoryFiles();
  await write(again, ["one", "two"], 1);
  await write(again, ["three"], 1);
  assert.deepEqual(await filesOf(again), await filesOf(files));
});

test("journal: opened by a newer program, it goes on in a new file; the old ones stay as they are", async () => {
  const files = await oldJournal();
  const before = await filesOf(files);
  await write(files, ["four"]);
  assert.equal(await journalFormatOf(files, directory), newestFormat);
  assert.deepEqual((await filesOf(files)).slice(0, 2), before);
  assert.deepEqual(await recordsIn(files), ["one", "two", "three", "four"]);
});

test("journal: a newer format is refused and left as it is, to the octet", async () => {
  const files = await oldJournal();
  await write(files, ["four"]);
  const before = await filesOf(files);
  const refused = (error: unknown) =>
    isSpoolError("newer-format")(error) &&
    error instanceof Error &&
    error.message === `${path(3)} has format 2; this program knows formats up to 1`;
  await assert.rejects(open(files, 1), refused);
  assert.deepEqual(await filesOf(files), before);
});

test("journal: a format of the future is refused by its number, whatever follows", async () => {
  for (const first of ['{"format":3}', '{"format":12,"previous":{"file":1},"keys":[]}']) {
    const files = await oldJournal();
    await files.replaceFile(path(3), framed([Buffer.from(first), Buffer.from("?")], 1, 0).bytes);
    const before = await filesOf(files);
    await assert.rejects(open(files), isSpoolError("newer-format"));
    await assert.rejects(downgradeJournal(files, directory, 1), isSpoolError("newer-format"));
    assert.deepEqual(await filesOf(files), before);
  }
});

test("journal: taken back, it is one file of the older format, which the older program goes on with", async () => {
  const files = await oldJournal();
  await write(files, ["four"]);
  await write(files, ["five"]);
  await downgradeJournal(files, directory, 1);
  assert.equal(await journalFormatOf(files, directory), 1);
  assert.equal((await onlyFile(files)).toString("latin1", 8, 33), '{"previous":0,"counts":0}');
  await write(files, ["six"], 1);
  assert.deepEqual(await recordsIn(files, 1), ["one", "two", "three", "four", "five", "six"]);
  await write(files, ["seven"]);
  assert.deepEqual((await recordsIn(files)).slice(-2), ["six", "seven"]);
});

test("journal: below the first format, or without a journal, there is nothing to go back to", async () => {
  const files = await oldJournal();
  const before = await filesOf(files);
  await assert.rejects(downgradeJournal(files, directory, 1), /format 1, the first there was/);
  await write(files, ["four"]);
  await assert.rejects(downgradeJournal(files, directory, 2), /format 2, which cannot be taken back to 2/);
  assert.deepEqual((await filesOf(files)).slice(0, 2), before);
  await assert.rejects(downgradeJournal(new MemoryFiles(), directory, 1), isSpoolError("failed"));
});

test("journal: of format 2, records that were swapped or repeated end what is read; in format 1 they pass", async () => {
  for (const [format, survives] of [
    [1, 4],
    [2, 1],
  ] as const) {
    const files = new MemoryFiles();
    await write(files, ["aaaa", "bbbb", "cccc"], format);
    const bytes = await onlyFile(files);
    // Each has twelve octets with its frame.
    const first = bytes.length - 36;
    const [a, b, c] = [0, 12, 24].map((at) => bytes.subarray(first + at, first + at + 12));
    assert.ok(a && b && c);
    await files.replaceFile(path(1), Buffer.concat([bytes.subarray(0, first), a, c, b, b]));
    assert.equal((await recordsIn(files, format)).length, survives);
  }
});

test("journal: a former file that is missing, cut short, or not the one that was there, is an error, not a loss in silence", async () => {
  const two = async () => {
    const files = new MemoryFiles();
    await write(files, ["aaaa", "bbbb"]);
    await write(files, ["cccc"]);
    return files;
  };
  const sound = Buffer.from(await (await two()).readFile(path(1)));
  const other = new MemoryFiles();
  await write(other, ["aaaa", "dddd"]);
  const damages: Record<string, (files: MemoryFiles) => Promise<void>> = {
    missing: (files) => files.remove(path(1)),
    short: (files) => files.replaceFile(path(1), sound.subarray(0, -1)),
    "another journal's": async (files) => files.replaceFile(path(1), await onlyFile(other)),
    "no journal": (files) => files.replaceFile(path(1), Buffer.alloc(sound.length)),
  };
  for (const [what, damage] of Object.entries(damages)) {
    const files = await two();
    await damage(files);
    const before = await filesOf(files);
    const refused = (error: unknown) => isSpoolError("failed")(error) && /00000001 is missing or/.test(String(error));
    await assert.rejects(open(files), refused, what);
    assert.deepEqual(await filesOf(files), before);
  }
  const files = await two();
  await files.replaceFile(path(1), Buffer.concat([sound, Buffer.from("what was refused")]));
  assert.deepEqual(await recordsIn(files), ["aaaa", "bbbb", "cccc"], "behind what counts, anything may stand");
});

class Killed extends Error {}

test("journal: a crash at any operation of an upgrade or a way back loses nothing", async () => {
  for (const way of ["up", "back"] as const) {
    for (let at = 1, ended = false; !ended; at++) {
      const files = await oldJournal();
      if (way === "back") await write(files, ["four"]);
      const all = await recordsIn(files);
      let operations = 0;
      files.before = () => {
        if (++operations !== at) return;
        files.crash(() => (at % 3) / 2);
        throw new Killed();
      };
      const work = way === "up" ? write(files, ["new"]) : downgradeJournal(files, directory, 1);
      ended = await work.then(
        () => true,
        (error: unknown) => {
          if (!(error instanceof Killed)) throw error;
          return false;
        },
      );
      files.before = undefined;
      const where = `${way}, crash at operation ${at}`;
      assert.deepEqual((await recordsIn(files)).slice(0, all.length), all, where);
      const format = await journalFormatOf(files, directory);
      if (ended) assert.equal(format, way === "up" ? 2 : 1);
      if (format === 2) await downgradeJournal(files, directory, 1);
      assert.deepEqual((await recordsIn(files, 1)).slice(0, all.length), all, where);
      if (ended) assert.ok(at > 5, "there was something to be interrupted");
    }
  }
});

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("append" as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("program" as const), knows: fc.constantFrom(1, 2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("power-loss" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("power-loss-in" as const),
      operations: fc.integer({ min: 1, max: 12 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("failure" as const),
      operation: fc.constantFrom("write" as const, "sync" as const, "syncDirectory" as const, "open" as const),
    }),
  },
);

/** A journal through the hands of programs of both formats, with all that may go wrong, beside what was told durable. */
class Story {
  readonly files = new MemoryFiles();
  readonly #survives: () => number;
  /** What must be there. */
  readonly told: string[] = [];
  /** What may be there behind it, where the process ended before it could write anything else: what it was refused. */
  #refused: (readonly string[])[] = [];
  #knows: JournalFormat = 1;
  #journal: Journal | undefined;
  #count = 0;

  constructor(survives: () => number) {
    this.#survives = survives;
  }

  async take(given: typeof step extends fc.Arbitrary<infer T> ? T : never): Promise<void> {
    const { files } = this;
    switch (given.kind) {
      case "append":
        return await this.#surviving(() => this.#append(given.count));
      case "program":
        await this.#surviving(() => this.#install(given.knows === 1 ? 1 : 2));
        return;
      case "power-loss":
        return this.#losePower();
      case "power-loss-in": {
        let left = given.operations;
        files.before = () => {
          if (--left > 0) return;
          files.before = undefined;
          this.#losePower();
          throw new Killed();
        };
        return;
      }
      case "failure":
        return files.failNext(given.operation, "EIO");
      default:
        given satisfies never;
    }
  }

  /** Each failure that was to come comes, then the newer program looks. */
  async end(): Promise<void> {
    this.files.before = undefined;
    do await this.#surviving(() => this.#install(2));
    while (this.#journal === undefined);
  }

  #losePower(): void {
    this.files.crash(this.#survives);
    this.#journal = undefined;
  }

  async #surviving(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (caught) {
      const error: unknown = caught instanceof SuppressedError ? caught.error : caught;
      if (!(error instanceof Killed) && !(error instanceof FileError)) throw error;
    }
  }

  async #open(): Promise<Journal> {
    if (this.#journal !== undefined) return this.#journal;
    const format = await journalFormatOf(this.files, directory);
    // The older program is refused until the newer one has taken the journal back.
    if (format > this.#knows) {
      await assert.rejects(open(this.files, this.#knows), (error) => {
        if (error instanceof Killed || error instanceof FileError) throw error;
        return isSpoolError("newer-format")(error);
      });
      await downgradeJournal(this.files, directory, this.#knows);
    }
    const { journal, seen } = await open(this.files, this.#knows);
    this.#check(seen);
    this.#journal = journal;
    return journal;
  }

  #check(seen: readonly string[]): void {
    const { told } = this;
    assert.deepEqual(seen.slice(0, told.length), told);
    const rest = seen.slice(told.length);
    const isKnown = this.#refused.some((records) => isDeepStrictEqual(records.slice(0, rest.length), rest));
    assert.ok(rest.length === 0 || isKnown, `${rest.join()} is whole and in order`);
    // What was found is durable from here on.
    told.push(...rest);
    this.#refused = [];
  }

  async #install(knows: JournalFormat): Promise<void> {
    await this.#journal?.close();
    this.#journal = undefined;
    this.#knows = knows;
    await this.#open();
  }

  async #append(count: number): Promise<void> {
    const journal = await this.#open();
    const records = Array.from({ length: count }, () => `record ${++this.#count}`);
    try {
      await journal.append(records.map((record) => Buffer.from(record)));
    } catch (error) {
      this.#refused.push(records);
      throw error;
    }
    this.told.push(...records);
    this.#refused = [];
  }
}

test("journal: whatever programs of both formats write, with crashes and failures between, comes back whole", async () => {
  let told = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 60, size: "max" }),
      fc.infiniteStream(fc.constantFrom(0, 0.2, 0.6, 0.99)),
      async (steps, survival) => {
        const story = new Story(() => survival.next().value ?? 0);
        for (const given of steps) await story.take(given);
        await story.end();
        told += story.told.length;
      },
    ),
    { numRuns: 150, seed: 20_261_123 },
  );
  assert.ok(told > 2500, `${told} records were told durable`);
});
