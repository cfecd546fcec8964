/** What a server is made of, and what each part is given when it is opened. */
import type { ServerPlan } from "../../cli/running-server.ts";
import type { Settings } from "../../config/settings-schema.ts";
import type { Parts } from "./parts.ts";
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
