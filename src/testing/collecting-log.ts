/** A log that keeps its events, for tests to look at. */
import { logEvents, type LogEventName, type LogLevel } from "../events/log-events.ts";
import type { Log, LogFields } from "../ports/log.ts";

export interface CollectedEvent {
  readonly name: LogEventName;
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

  event(name: LogEventName, fields: LogFields): void {
    this.events.push({ name, level: logEvents[name].level, fields: { ...this.#fields, ...fields } });
  }

  with(fields: LogFields): CollectingLog {
    return new CollectingLog(this.events, { ...this.#fields, ...fields });
  }

  /** Fields of each event of this name. */
  of(name: LogEventName): LogFields[] {
    return this.events.filter((event) => event.name === name).map(({ fields }) => fields);
  }

  get names(): LogEventName[] {
    return this.events.map(({ name }) => name);
  }
}
