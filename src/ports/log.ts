/** The log as an argument: one event of the catalogue for each thing worth knowing. */
import type { EventName, FieldsOf } from "../events/catalogue.ts";

/** What every event of a session says besides its own fields. */
export interface LogContext {
  /** The id of the session. */
  readonly session: string;
}

/** The fields of any event, for who writes them down. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  /** `fields`: exactly those that the catalogue declares for this event. */
  event<Name extends EventName, Fields extends FieldsOf<Name>>(
    name: Name,
    fields: Fields & NothingBesides<Fields, FieldsOf<Name>>,
  ): void;
  /** A log that adds this to each event. */
  with(context: LogContext): Log;
}

/** Forbids what is not declared, also where it comes by a spread, which the compiler lets pass otherwise. */
export type NothingBesides<Given, Declared> = { readonly [Name in Exclude<keyof Given, keyof Declared>]: never };

/** For programs that want to hear nothing. */
export const silentLog: Log = { event: () => undefined, with: () => silentLog };
