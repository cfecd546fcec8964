/** Milliseconds since 1970-01-01T00:00:00Z. Every time in the system is one of these; durations end in `Ms`. */
export type Instant = number;
