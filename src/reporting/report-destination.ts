/** Where a report goes: the mailboxes behind a reverse-path, which may be an alias of ours, rewritten, or nobody's. */
export type ReportDestination =
  | {
      readonly kind: "known";
      /** What stands in the report's To field. */
      readonly to: string;
      /** At least one; `domain` is the mailbox's `domainKey`. */
      readonly recipients: readonly {
        readonly address: string;
        readonly domain: string;
        readonly acceptedAs?: string;
      }[];
    }
  /** In one of our domains, and nobody's: whoever wrote it there forged it, or is gone. */
  | { readonly kind: "nobody" };

/** `reversePath`: ready for the wire, never the null one. */
export type FindReportDestination = (reversePath: string) => ReportDestination | Promise<ReportDestination>;
