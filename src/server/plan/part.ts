/**
 * What a server is made of: its parts in the order in which they were opened, and what each part is opened with. A reload
 * prepares every part and then applies every part, or it changes nothing.
 */
import type { ServerPlan } from "../../cli/running-server.ts";
import type { Settings } from "../../config/settings-schema.ts";
import type { ServerPorts } from "./server-ports.ts";

/**
 * Something that runs while a server runs. Parts are opened one after the other, each with those before it; they start in
 * that order, and stop in the reverse one.
 */
export interface Part {
  readonly name: string;
  /** Begins what it does by itself, when every part is open. */
  start?(): void | Promise<void>;
  /**
   * Takes nothing new, and ends what is under way at the deadline. All parts do so at once, because they share the time,
   * before the first of them stops.
   */
  drain?(deadlineMs: number): void | Promise<void>;
  /** Nothing is under way any more: gives back what it has open. */
  stop?(): void | Promise<void>;
}

/** A part that a reload concerns. */
export interface ReloadablePart<View> extends Part {
  /** The settings that concern it. */
  view(settings: Settings): View;
  /**
   * Does all that may fail, changes nothing, and refuses the reload by throwing. The function that it returns puts the
   * settings in force at once and cannot fail. It is called only when every part has prepared, or never.
   */
  prepare(next: View): (() => void) | Promise<() => void>;
}

interface Prepared {
  readonly name: string;
  readonly apply: () => void;
}

/** The parts of one server: what starts, changes and stops all of them. */
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

/** What each part is opened with. */
export interface Opening {
  readonly plan: ServerPlan;
  /** Those of the plan: in force until the first reload. */
  readonly settings: Settings;
  readonly ports: ServerPorts;
  /** Where the part enters itself. */
  readonly parts: Parts;
}

/** The settings of a part that asks for them each time. */
export class InForce<View> {
  #current: View;

  constructor(first: View) {
    this.#current = first;
  }

  readonly get = (): View => this.#current;

  readonly prepare = (next: View) => (): void => {
    this.#current = next;
  };
}
