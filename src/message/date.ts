/** Dates as message headers write them (RFC 5322 §3.3, RFC 5321 §4.4): four-digit year, numeric zone. */
import type { Instant } from "../lib/instant.ts";

const dayNames = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] as const;
const monthNames = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;

/** `Thu, 1 Jan 2026 00:00:00 +0000`. `offsetMinutes`: the zone in which it is told, east positive. */
export function formatDate(at: Instant, offsetMinutes = 0): string {
  const local = new Date(at + offsetMinutes * 60_000);
  const day = `${dayNames[local.getUTCDay()]}, ${local.getUTCDate()} ${monthNames[local.getUTCMonth()]}`;
  const time = `${two(local.getUTCHours())}:${two(local.getUTCMinutes())}:${two(local.getUTCSeconds())}`;
  const zone = Math.abs(offsetMinutes);
  const sign = offsetMinutes < 0 ? "-" : "+";
  return `${day} ${local.getUTCFullYear()} ${time} ${sign}${two(Math.trunc(zone / 60))}${two(zone % 60)}`;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : `${value}`;
}
