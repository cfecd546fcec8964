/** RCPT: whether a recipient is taken, and where its mail will go. */
import type { Resolution, Target } from "../../accounts/account-directory.ts";
import { formatMailbox } from "../../address/mailbox-text.ts";
import type { Mailbox } from "../../address/mailbox.ts";
import type { Decision } from "../../policy/decision.ts";
import { checkRecipientExists } from "../../policy/recipient-existence.ts";
import { checkRelay, checkRouteInLocalPart } from "../../policy/relay-permission.ts";
import { checkRecipientDomain } from "../../policy/sender-permission.ts";
import type { RecipientEvent } from "../../smtp/server-event.ts";
import { reply } from "../../smtp/reply.ts";
import type { SessionState } from "../session-state.ts";
import { verdictOf, whenReady, type Verdict } from "../verdict.ts";

const tooManyTargets: Decision = {
  verdict: "defer",
  reply: reply(452, "4.5.3", "Too many recipients behind these aliases, send the others in another message"),
  reason: "too-many-expanded-recipients",
};

export function checkRecipient(state: SessionState, event: RecipientEvent): Verdict | Promise<Verdict> {
  const { forwardPath } = event;
  // The socket is asked for our address only where it matters.
  const ourAddress = forwardPath.domainKey.startsWith("[") ? state.channel.ourAddress : undefined;
  return whenReady(state.services.accounts.resolve(forwardPath, ourAddress), (resolution) =>
    proceedRecipient(state, event, resolution),
  );
}

function proceedRecipient(state: SessionState, event: RecipientEvent, resolution: Resolution): Verdict {
  const { forwardPath, parameters } = event;
  const { transaction } = state;
  if (transaction === undefined) throw new Error("RCPT came without a transaction");
  const targets = resolution.kind === "local" ? resolution.targets : [elsewhere(forwardPath)];
  let decision = decide(state, forwardPath, resolution);
  if (decision.verdict === "accept" && !transaction.hasRoomFor(targets.length)) decision = tooManyTargets;
  if (decision.verdict === "accept") {
    transaction.add(forwardPath, parameters, targets, {
      reason: decision.reason,
      ...(decision.setting === undefined ? undefined : { setting: decision.setting }),
    });
  } else {
    const { reason, setting } = decision;
    const from = transaction.reversePathText;
    const to = formatMailbox(forwardPath);
    const client = state.client.address;
    state.log.event("recipient-refused", { client, from, to, reason, setting, reply: decision.reply.code });
  }
  return verdictOf(decision);
}

function decide({ client }: SessionState, forwardPath: Mailbox, resolution: Resolution): Decision {
  if (resolution.kind === "not-local") return checkRecipientDomain(forwardPath, client) ?? checkRelay(client);
  return checkRouteInLocalPart(forwardPath, resolution, client) ?? checkRecipientExists(resolution);
}

/** Mail that is relayed keeps the address as it was given (RFC 5321 §2.3.11). */
function elsewhere(path: Mailbox): Target {
  const { localPart, domainKey } = path;
  return { address: formatMailbox(path), domain: domainKey, key: `${localPart}@${domainKey}` };
}
