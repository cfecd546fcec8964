/** What was mended in a message's content while it arrived. */
export type ContentRepair =
  /** Bare LF was made CRLF; bare CR, too, where the body had it. */
  | "bare-lf"
  /** Bare CR in the body was made CRLF; bare LF, too, if there was any behind it. */
  | "bare-cr"
  /** The mbox line ahead of the header section was left out. */
  | "mbox-line";
