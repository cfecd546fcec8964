/** Times, durations and foreign words in sentences. */
import type { SignInFacts } from "../events/history-event.ts";
import { type Instant, isoTime } from "../lib/instant.ts";
import { printable } from "../lib/printable-text.ts";

/** `2026-01-01 12:00:03 UTC`: to the second, the same everywhere. */
export function timeWords(at: Instant): string {
  return `${isoTime(at).slice(0, 19).replace("T", " ")} UTC`;
}

const units = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000],
] as const;

/** `312 ms`, `45 seconds`, `1 hour 20 minutes`: the two largest units that are not zero. */
export function durationWords(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const parts: string[] = [];
  let rest = ms;
  for (const [name, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${name}${count === 1 ? "" : "s"}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

/** `2,345 octets`. */
export function sizeWords(octets: number): string {
  return `${octets.toLocaleString("en")} octet${octets === 1 ? "" : "s"}`;
}

/** A remote's words, made safe to show on a terminal: no control characters, no text that runs backwards. */
export function quoted(text: string): string {
  return `"${plain(text)}"`;
}

/** As {@link quoted}, without the marks. */
export function plain(text: string): string {
  return printable(text, " ").replaceAll(/\s+/g, " ").trim();
}

/** `<>` for the null reverse-path. */
export function pathWords(path: string): string {
  return path === "" ? "<> (the null reverse-path, which reports use)" : plain(path);
}

/** `EXTERNAL with key laptop`. */
export function signInWords({ mechanism, by }: SignInFacts): string {
  return by === undefined ? plain(mechanism) : `${plain(mechanism)} with ${plain(by)}`;
}
