/**
 * Reports of ours about mail whose reverse-path is a rewritten one of ours: a forwarder elsewhere sent back, with the
 * reverse-path kept, what we had forwarded to him. The report is for the original sender. It never passes RCPT, where
 * bounces from elsewhere are turned back. For a forged or expired address there is nobody to report to.
 */
import { parseMailbox, formatMailbox } from "./address/mailbox-text.ts";
import { looksLikeSrs, type ReversedRecipient } from "./address/srs.ts";
import type { Forwarding } from "./forwarding/forwarding.ts";
import type { ReportMaker } from "./queue/report-maker.ts";
import type { Reporter } from "./reporting/reporter.ts";

export class ReportsToOriginals implements ReportMaker {
  readonly #reporter: Pick<Reporter, "reportsFor" | "expandedReport">;
  readonly #forwarding: Pick<Forwarding, "reverse">;

  constructor(reporter: Pick<Reporter, "reportsFor" | "expandedReport">, forwarding: Pick<Forwarding, "reverse">) {
    this.#reporter = reporter;
    this.#forwarding = forwarding;
  }

  async reportsFor(input: Parameters<ReportMaker["reportsFor"]>[0]) {
    const reversed = await this.#reverse(input.message.reversePath);
    if (reversed === undefined) return await this.#reporter.reportsFor(input);
    const message = { ...input.message, reversePath: senderOf(reversed) };
    return await this.#reporter.reportsFor({ ...input, message });
  }

  /** No more than a courtesy, so an original that has to be looked up first gets none. */
  expandedReport(input: Parameters<Reporter["expandedReport"]>[0]): ReturnType<Reporter["expandedReport"]> {
    const reversed = this.#reverse(input.message.reversePath);
    if (reversed === undefined) return this.#reporter.expandedReport(input);
    if (reversed instanceof Promise) return undefined;
    const message = { ...input.message, reversePath: senderOf(reversed) };
    return this.#reporter.expandedReport({ ...input, message });
  }

  #reverse(reversePath: string): ReturnType<Forwarding["reverse"]> {
    // In quotes where the original needed them.
    if (!looksLikeSrs(reversePath.startsWith('"') ? reversePath.slice(1) : reversePath)) return undefined;
    const mailbox = parseMailbox(reversePath);
    return mailbox === undefined ? undefined : this.#forwarding.reverse(mailbox);
  }
}

function senderOf(reversed: ReversedRecipient): string {
  return reversed.kind === "address" ? formatMailbox(reversed.mailbox) : "";
}
