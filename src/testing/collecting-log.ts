/** A log that keeps its events, for tests to look at, and refuses one whose fields are not exactly those declared. */
import assert from "node:assert/strict";
import { catalogue, type EventName } from "../events/catalogue.ts";
import type { LogLevel } from "../events/event-declaration.ts";
import type { Log, LogContext, LogFields } from "../ports/log.ts";

export interface CollectedEvent {
  readonly name: EventName;
  readonly level: LogLevel;
  readonly fields: LogFields;
}

export class CollectingLog implements Log {
  /** Shared with every log made by {@link with}. */
  readonly events: CollectedEvent[];
  readonly #fields: LogFields;

  constructor(events: CollectedEvent[] = [], fields: LogFields = {}) {
    this.events = events;
    this.#fields = fields;
  }

  event(name: EventName, fields: LogFields): void {
    const { level, fields: declared } = catalogue[name];
    assert.deepEqual(Object.keys(fields).toSorted(), Object.keys(declared).toSorted(), `the fields of ${name}`);
    const given = Object.entries({ ...this.#fields, ...fields }).filter(([, value]) => value !== undefined);
    this.events.push({ name, level, fields: Object.fromEntries(given) });
  }

  with(context: LogContext): CollectingLog {
    return new CollectingLog(this.events, { ...this.#fields, ...context });
  }

  /** Fields of each event of this name. */
  of(name: EventName): LogFields[] {
    return this.events.filter((event) => event.name === name).map(({ fields }) => fields);
  }

  get names(): EventName[] {
    return this.events.map(({ name }) => name);
  }
}
