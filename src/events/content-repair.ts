/** What was mended in a message's content while it arrived. */
export type ContentRepair =
  /** Bare LF was made CRLF; bare CR, too, where the body had it. */
  | "bare-lf"
  /** Bare CR in the body became CRLF; so did bare LF, if there was any after it. */
  | "bare-cr"
  /** The mbox line ahead of the header section was left out. */
  | "mbox-line";
