/**
 * Where our reports go. They never pass RCPT, so what RCPT does for bounces from elsewhere is done here: a rewritten
 * reverse-path of ours is turned back to the original sender's, an alias leads to its targets, and an address that is
 * nobody's, though its domain is ours, gets nothing: it was forged, or its user is gone.
 */
import type { AccountDirectory } from "../../accounts/account-directory.ts";
import { formatMailbox, parseMailbox } from "../../address/mailbox-text.ts";
import type { Mailbox } from "../../address/mailbox.ts";
import { looksLikeSrs } from "../../address/srs.ts";
import type { Forwarding } from "../../forwarding/forwarding.ts";
import type { FindReportDestination, ReportDestination } from "../../reporting/report-destination.ts";

export function findReportDestinations(parts: {
  readonly accounts: Pick<AccountDirectory, "resolve">;
  readonly forwarding?: Pick<Forwarding, "reverse">;
}): FindReportDestination {
  const { accounts, forwarding } = parts;
  return async (reversePath) => {
    const given = parseMailbox(reversePath);
    if (given === undefined) return { kind: "nobody" };
    // In quotes where the original needed them.
    const rewritten = looksLikeSrs(reversePath.startsWith('"') ? reversePath.slice(1) : reversePath);
    const reversed = rewritten ? await forwarding?.reverse(given) : undefined;
    if (reversed === undefined) return await resolved(given, accounts);
    return reversed.kind === "address" ? await resolved(reversed.mailbox, accounts) : { kind: "nobody" };
  };
}

async function resolved(mailbox: Mailbox, accounts: Pick<AccountDirectory, "resolve">): Promise<ReportDestination> {
  const to = formatMailbox(mailbox);
  const resolution = await accounts.resolve(mailbox);
  switch (resolution.kind) {
    case "not-local":
    // The settings are at fault, not the sender: the report waits at the address itself until they are mended.
    case "broken":
      return { kind: "known", to, recipients: [{ address: to, domain: mailbox.domainKey }] };
    case "unknown":
      return { kind: "nobody" };
    case "local": {
      const recipients = resolution.targets.map(({ address, domain }) => ({
        address,
        domain,
        ...(address !== to && { acceptedAs: to }),
      }));
      return { kind: "known", to, recipients };
    }
    default:
      return resolution satisfies never;
  }
}
