/** Times, sizes and counts as people say them. */

/** `in 4 min`, `12 s ago`, `now`. */
export function relativeTime(iso: string, nowMs: number): string {
  const difference = Date.parse(iso) - nowMs;
  if (Number.isNaN(difference)) return "unknown";
  if (Math.abs(difference) < 1000) return "now";
  return difference > 0 ? `in ${span(difference)}` : `${span(-difference)} ago`;
}

/** One unit, whole: `12 s`, `4 min`, `3 h`, `5 d`. */
export function span(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} d`;
}

/** Thousands: `512 B`, `4.1 KB`, `50 MB`. */
export function sizeText(octets: number): string {
  if (octets < 1000) return `${octets} B`;
  const [value, unit] =
    octets < 1e6 ? [octets / 1e3, "KB"] : octets < 1e9 ? [octets / 1e6, "MB"] : [octets / 1e9, "GB"];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** `1 recipient`, `2 recipients`. */
export function plural(count: number, word: string): string {
  return `${count} ${count === 1 ? word : `${word}s`}`;
}
