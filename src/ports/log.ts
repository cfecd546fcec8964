/**
 * The log as an argument: one event for each thing worth knowing. Event names and their fields are declared once, in
 * `events/log-events.ts`, from which docs/log-events.md is generated.
 */
import type { LogEventName } from "../events/log-events.ts";

export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  /** Level and meaning come from the declaration. `message` (a queue id) and `session` are given wherever they apply. */
  event(name: LogEventName, fields: LogFields): void;
  /** A log that adds these fields to each event. */
  with(fields: LogFields): Log;
}
