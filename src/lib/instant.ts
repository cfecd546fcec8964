/** Milliseconds since 1970-01-01T00:00:00Z. Every time in the system is one of these; durations end in `Ms`. */
export type Instant = number;

/** `2026-01-01T12:00:03.000Z`, for programs and logs. */
export function isoTime(at: Instant): string {
  return new Date(at).toISOString();
}
