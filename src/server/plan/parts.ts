/**
 * The parts of one server in the order in which they were opened: what starts, changes and stops all of them. A reload
 * prepares every part and then applies every part, or it changes nothing.
 */
import type { Settings } from "../../config/settings-schema.ts";
import type { Part, ReloadablePart } from "./part.ts";

interface Prepared {
  readonly name: string;
  readonly apply: () => void;
}

export class Parts {
  readonly #parts: Part[] = [];
  readonly #reloadable: ((next: Settings) => Promise<Prepared>)[] = [];

  add<View>(part: Part | ReloadablePart<View>): void {
    this.#parts.push(part);
    if (!("prepare" in part)) return;
    this.#reloadable.push(async (next) => ({ name: part.name, apply: await part.prepare(part.view(next)) }));
  }

  /** Rejects where a part refuses; then nothing has changed. */
  async prepare(next: Settings): Promise<readonly Prepared[]> {
    const prepared: Prepared[] = [];
    // One after the other, so that the same part is named each time where two refuse.
    for (const prepare of this.#reloadable) prepared.push(await prepare(next));
    return prepared;
  }

  async start(): Promise<void> {
    for (const part of this.#parts) await part.start?.();
  }

  /** Also what was opened only in part, or never started. Every part is asked to stop, even where another one fails to. */
  async stop(deadlineMs: number): Promise<void> {
    await using stopping = new AsyncDisposableStack();
    for (const part of this.#parts) stopping.defer(() => part.stop?.());
    await Promise.all(this.#parts.toReversed().map(async (part) => part.drain?.(deadlineMs)));
  }
}
