/** Which events a log of a given level shows. */
import type { LogLevel } from "../../events/event-declaration.ts";

const rank: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

export function isEnabled(level: LogLevel, least: LogLevel): boolean {
  return rank[level] >= rank[least];
}
