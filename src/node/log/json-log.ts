/**
 * The log of production: one JSON object per line. `flush` at the end of the process writes what is still gathered.
 * Lines are put together by hand, for two of them are written for every message: what a log repeats on each line is
 * serialised once, and the time of day once a second.
 */
import { catalogue, type EventName } from "../../events/catalogue.ts";
import type { LogLevel } from "../../events/event-declaration.ts";
import type { Log, LogContext, LogFields } from "../../ports/log.ts";
import { GatheredOutput } from "../network/gathered-output.ts";
import { isEnabled } from "./log-level.ts";
import { printableJson } from "../../lib/printable-text.ts";

const standardOutput = 1;

export interface JsonLogOptions {
  readonly level: LogLevel;
  /** Default: standard output, gathered. */
  readonly destination?: { write(line: string): unknown };
}

export class JsonLog implements Log {
  readonly #level: LogLevel;
  readonly #destination: { write(line: string): unknown };
  readonly #fields: LogFields;
  /** The own fields as they stand on each line; made with the first, since most sessions say nothing at this level. */
  #ownText: string | undefined;

  private constructor(level: LogLevel, destination: { write(line: string): unknown }, fields: LogFields) {
    this.#level = level;
    this.#destination = destination;
    this.#fields = fields;
  }

  static open({ level, destination }: JsonLogOptions): { readonly log: JsonLog; readonly flush: () => void } {
    const gathered = new GatheredOutput(standardOutput);
    return { log: new JsonLog(level, destination ?? gathered, {}), flush: () => gathered.flush() };
  }

  event(name: EventName, fields: LogFields): void {
    const { level } = catalogue[name];
    if (!isEnabled(level, this.#level)) return;
    this.#ownText ??= membersOf(this.#fields);
    const members = this.#ownText + membersOf(fields);
    this.#destination.write(`{"level":"${level}","time":"${logTime(Date.now())}"${members},"event":"${name}"}\n`);
  }

  with(context: LogContext): JsonLog {
    return new JsonLog(this.#level, this.#destination, { ...this.#fields, ...context });
  }
}

/** As members of an object that has others before them: each with a comma in front. */
function membersOf(fields: LogFields): string {
  let text: string;
  try {
    text = printableJson(hasError(fields) ? withErrorsTold(fields) : fields);
  } catch (error) {
    // What JSON cannot say must neither stop mail nor go unnoticed.
    text = printableJson({ unloggable: String(error) });
  }
  return text === "{}" ? "" : `,${text.slice(1, -1)}`;
}

function hasError(fields: LogFields): boolean {
  for (const name in fields) if (fields[name] instanceof Error) return true;
  return false;
}

/** JSON knows nothing of an error's message, since it is not enumerable. */
function withErrorsTold(fields: LogFields): LogFields {
  const told = Object.entries(fields).map(([name, value]) =>
    value instanceof Error
      ? [name, { ...value, type: value.name, message: value.message, stack: value.stack }]
      : [name, value],
  );
  return Object.fromEntries(told) as LogFields;
}

let secondTold = NaN;
let secondText = "";

function logTime(now: number): string {
  const second = Math.floor(now / 1000);
  if (second !== secondTold) {
    secondTold = second;
    secondText = new Date(second * 1000).toISOString().slice(0, -4);
  }
  return `${secondText}${String(now - second * 1000).padStart(3, "0")}Z`;
}
