/**
 * The log of production: one JSON object per line. `flush` at the end of the process writes what is still gathered.
 */
import pino, { type DestinationStream, type Logger } from "pino";

import { logEvents, type LogEventName, type LogLevel } from "../events/log-events.ts";
import type { Log, LogFields } from "../ports/log.ts";
import { GatheredOutput } from "./gathered-output.ts";
import { isEnabled } from "./log-level.ts";

const STANDARD_OUTPUT = 1;

export interface JsonLogOptions {
  readonly level: LogLevel;
  /** Default: standard output, gathered. */
  readonly destination?: DestinationStream;
}

export class JsonLog implements Log {
  readonly #level: LogLevel;
  readonly #fields: LogFields | undefined;
  readonly #parent: Logger;
  /** Made with the first event: most of these are made for sessions that say nothing at this level. */
  #logger: Logger | undefined;

  private constructor(level: LogLevel, parent: Logger, fields: LogFields | undefined) {
    this.#level = level;
    this.#parent = parent;
    this.#fields = fields;
  }

  static open({ level, destination }: JsonLogOptions): { readonly log: Log; readonly flush: () => void } {
    const gathered = new GatheredOutput(STANDARD_OUTPUT);
    const logger = pino(
      {
        level,
        base: null,
        messageKey: "event",
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        serializers: { error: pino.stdSerializers.err },
      },
      destination ?? gathered,
    );
    return { log: new JsonLog(level, logger, undefined), flush: () => gathered.flush() };
  }

  event(name: LogEventName, fields: LogFields): void {
    const { level } = logEvents[name];
    if (!isEnabled(level, this.#level)) return;
    this.#logger ??= this.#fields === undefined ? this.#parent : this.#parent.child(this.#fields);
    this.#logger[level](fields, name);
  }

  with(fields: LogFields): Log {
    return new JsonLog(this.#level, this.#parent, { ...this.#fields, ...fields });
  }
}
