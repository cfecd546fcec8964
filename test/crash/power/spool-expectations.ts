/** What a spool must hold after a power loss, given what the workload had been told by then. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import type { SqliteSpool } from "../../../src/node/spool/sqlite-spool.ts";
import { contentOf } from "../../contract/spool-fixture.ts";

export const recordsNamespace = "power";
export const recordKeys: readonly string[] = Array.from({ length: 2500 }, (_, number) => `k${number}`);

/** Follows from the id, so that whoever finds a message knows what it must say; each fifteenth goes to a file. */
export function contentFor(id: string): Buffer {
  const number = Number(id.slice(1));
  const size = number % 15 === 0 ? 265_000 + number : 500 + (number % 11) * 700;
  return Buffer.alloc(size, `${id} says so; `);
}

/** What was said so far, line by line. */
export class SpoolExpectations {
  /** Recipients by id. */
  readonly #told = new Map<string, number>();
  readonly #settling = new Set<string>();
  readonly #settled = new Set<string>();
  #generation = -1;

  get told(): number {
    return this.#told.size;
  }

  hear(text: string): void {
    for (const line of text.split("\n")) {
      const [word, what = "", number] = line.split(" ");
      if (word === "told") this.#told.set(what, Number(number));
      else if (word === "settling") this.#settling.add(what);
      else if (word === "settled") this.#settled.add(what);
      else if (word === "records") this.#generation = Number(what);
    }
  }

  /** Throws where something that was told is not there, or anything is there in part. */
  async check(spool: SqliteSpool, directory: string): Promise<void> {
    const { damaged } = await spool.checked;
    assert.deepEqual(damaged, [], "messages without their content");
    const recipients = new Map<string, string[]>();
    for (const { message, recipient } of await spool.find({}, { limit: 100_000 })) {
      recipients.set(message.id, [...(recipients.get(message.id) ?? []), recipient.state]);
    }
    for (const [id, number] of this.#told) {
      // Those that are final are found by name only.
      if (!recipients.has(id))
        recipients.set(
          id,
          ((await spool.message(id))?.recipients ?? []).map(({ state }) => state),
        );
      assert.equal(recipients.get(id)?.length, number, `${id} was told`);
    }
    const files: string[] = [];
    for (const [id, states] of recipients) {
      const closed = states.every((state) => state === "delivered");
      assert.ok(closed || states.every((state) => state === "scheduled"), `${id} is whole: ${states.join(" ")}`);
      if (this.#settled.has(id)) assert.ok(closed, `${id} was settled`);
      if (closed) assert.ok(this.#settling.has(id), `${id} is final, and nobody said so`);
      if (closed) continue;
      const content = contentFor(id);
      assert.ok((await contentOf(spool, id))?.equals(content), `${id} has its content`);
      if (content.length > 256 * 1024) files.push(`${id}.eml`);
    }
    assert.deepEqual(contentFiles(directory), files.toSorted(), "content files are those of open messages");
    const open = [...recipients.values()].flat().filter((state) => state === "scheduled").length;
    const { scheduled, claimed } = await spool.stats();
    assert.deepEqual([scheduled, claimed], [open, 0]);

    const records = await spool.listRecords(recordsNamespace, { limit: recordKeys.length + 1 });
    const generations = new Set(records.map(({ value }) => Number(value)));
    const [generation = -1] = generations;
    assert.ok(generations.size <= 1, "records change together");
    assert.ok(generation >= this.#generation, `records ${generation}, ${this.#generation} was told`);
    assert.equal(records.length, generation === -1 ? 0 : recordKeys.length);
  }
}

function contentFiles(directory: string): readonly string[] {
  return readdirSync(`${directory}/content`, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .toSorted();
}
