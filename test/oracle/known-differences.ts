/**
 * Where mailauth and Posthaste differ and the standard is on our side, or leaves the choice. A difference that is none of
 * these fails the test. docs/testing.md tells of them.
 */
export interface KnownDifference {
  readonly name: string;
  /** Paragraph first. */
  readonly standard: string;
}
