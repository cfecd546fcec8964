/**
 * The log of `posthaste dev`: one aligned line per event, for eyes rather than programs. Text from outside cannot move
 * the cursor or colour the terminal: whatever is not printable is shown escaped.
 */
import { catalogue, type EventName } from "../../events/catalogue.ts";
import type { LogLevel } from "../../events/event-declaration.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log, LogContext, LogFields } from "../../ports/log.ts";
import { isEnabled } from "./log-level.ts";
import { printable, printableJson } from "../../lib/printable-text.ts";
import { shorten } from "../../lib/shorten.ts";

export interface ReadableLogOptions {
  readonly level: LogLevel;
  readonly clock: Clock;
  /** Gets whole lines with their line end. */
  readonly write: (text: string) => void;
  readonly colours: boolean;
  /** Shows only errors, and what has a hint. */
  readonly quiet?: boolean;
}

const nameWidth = 20;
/** A field longer than this is cut: the line is to be read. */
const valueMax = 300;
const colours: Readonly<Record<LogLevel, string>> = { debug: "2", info: "36", warn: "33", error: "31" };

export class ReadableLog implements Log {
  readonly #options: ReadableLogOptions;
  readonly #fields: LogFields;

  constructor(options: ReadableLogOptions, fields: LogFields = {}) {
    this.#options = options;
    this.#fields = fields;
  }

  event(name: EventName, fields: LogFields): void {
    const { level } = catalogue[name];
    const { clock, write, quiet } = this.#options;
    if (!isEnabled(level, this.#options.level)) return;
    if (quiet === true && level !== "error" && fields["hint"] === undefined) return;
    const time = this.#colour("2", localTime(clock.now()));
    const event = this.#colour(colours[level], `${level.padEnd(5)} ${name.padEnd(nameWidth)}`);
    const details = Object.entries({ ...this.#fields, ...fields })
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${this.#colour("2", `${key}=`)}${readable(value)}`);
    write(`${[time, event, ...details].join(" ").trimEnd()}\n`);
  }

  with(context: LogContext): ReadableLog {
    return new ReadableLog(this.#options, { ...this.#fields, ...context });
  }

  #colour(code: string, text: string): string {
    return this.#options.colours ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}

/** Whether a stream is shown colours: a terminal, unless NO_COLOR is set to anything (no-color.org). */
export function coloursWanted(
  stream: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>,
): boolean {
  const { NO_COLOR: refused, FORCE_COLOR: forced, TERM: terminal } = environment;
  if (refused !== undefined && refused !== "") return false;
  if (forced !== undefined && forced !== "" && forced !== "0") return true;
  return stream.isTTY === true && terminal !== "dumb";
}

function localTime(at: number): string {
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, "0");
  const milliseconds = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${milliseconds}`;
}

function readable(value: unknown): string {
  const cut = shorten(textOf(value), valueMax);
  return /^[^\s"=]+$/.test(cut) && printable(cut) === cut ? cut : printableJson(cut);
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return value.message;
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return value.map(textOf).join(",");
  try {
    return printableJson(value);
  } catch {
    return "[unreadable]";
  }
}
