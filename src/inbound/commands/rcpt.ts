/** RCPT: whether a recipient is taken, and where its mail will go. */
import type { Resolution, Target } from "../../accounts/account-directory.ts";
import { formatMailbox } from "../../address/mailbox-text.ts";
import type { Mailbox } from "../../address/mailbox.ts";
import { looksLikeSrs, type ReversedRecipient } from "../../address/srs.ts";
import { whenReady } from "../../lib/when-ready.ts";
import { sendsOwnMail } from "../../policy/client.ts";
import { type Decision, refuse } from "../../policy/decision.ts";
import { checkRecipientExists } from "../../policy/recipient-existence.ts";
import { checkRelay, checkRouteInLocalPart } from "../../policy/relay-permission.ts";
import { checkRecipientDomain } from "../../policy/sender-permission.ts";
import { checkSrsRecipient } from "../../policy/srs-recipient.ts";
import type { RecipientEvent } from "../../smtp/server/event.ts";
import type { SessionState } from "../session-state.ts";
import { noted, proceed, verdictOf, type Verdict } from "../verdict.ts";

/** Objects and slots of maps beside the text of an address. */
const recipientOverhead = 300;

export function checkRecipient(state: SessionState, event: RecipientEvent): Verdict | Promise<Verdict> {
  const { forwardPath } = event;
  const { forwarding } = state.services;
  if (forwarding !== undefined && looksLikeSrs(forwardPath.localPart)) {
    return whenReady(forwarding.reverse(forwardPath), (reversed) =>
      reversed === undefined ? checkNamed(state, event) : checkReversed(state, event, reversed),
    );
  }
  return checkNamed(state, event);
}

function checkNamed(state: SessionState, event: RecipientEvent): Verdict | Promise<Verdict> {
  const { forwardPath } = event;
  // The socket is asked for our address only where it matters.
  const ourAddress = forwardPath.domainKey.startsWith("[") ? state.channel.ourAddress : undefined;
  return whenReady(state.services.accounts.resolve(forwardPath, ourAddress), (resolution) => {
    const targets = resolution.kind === "local" ? resolution.targets : [elsewhere(forwardPath)];
    return proceedRecipient(state, event, decide(state, forwardPath, resolution), targets);
  });
}

/** A reverse-path that we rewrote: its mail goes where the original says, which may have become ours meanwhile. */
function checkReversed(
  state: SessionState,
  event: RecipientEvent,
  reversed: ReversedRecipient,
): Verdict | Promise<Verdict> {
  const decision = checkSrsRecipient(reversed);
  if (reversed.kind !== "address") return proceedRecipient(state, event, decision, []);
  const { mailbox } = reversed;
  return whenReady(state.services.accounts.resolve(mailbox), (resolution) =>
    resolution.kind === "not-local"
      ? proceedRecipient(state, event, decision, [{ ...elsewhere(mailbox), elsewhere: true }])
      : proceedRecipient(
          state,
          event,
          checkRecipientExists(resolution),
          resolution.kind === "local" ? resolution.targets : [],
        ),
  );
}

function proceedRecipient(
  state: SessionState,
  event: RecipientEvent,
  decided: Decision,
  targets: readonly Target[],
): Verdict {
  const { forwardPath, parameters } = event;
  const { phase } = state;
  // The client is gone: a directory's answer came after it.
  if (phase.kind !== "transaction") return noted;
  const { envelope } = phase;
  let decision = decided;
  if (decision.verdict === "accept" && !envelope.hasRoomFor(targets.length)) {
    decision = refuse("too-many-expanded-recipients", { targets: targets.length });
  }
  if (decision.verdict === "accept" && !state.memory.holdRecipient(octetsOf(event, targets))) {
    decision = refuse("memory-short", {});
  }
  if (decision.verdict === "accept") {
    envelope.add(forwardPath, parameters, targets, {
      reason: decision.reason,
      ...(decision.setting === undefined ? undefined : { setting: decision.setting }),
      submitted: sendsOwnMail(state.client),
    });
  } else {
    const { reason, setting } = decision;
    const from = envelope.reversePathText;
    const to = formatMailbox(forwardPath);
    const client = state.client.address;
    state.log.event("recipient-refused", { client, from, to, reason, setting, reply: decision.reply.code });
  }
  return decision.verdict === "accept" ? proceed : verdictOf(decision);
}

/** What a recipient takes in memory, roughly. */
function octetsOf({ parameters }: RecipientEvent, targets: readonly Target[]): number {
  const original = parameters.originalRecipient?.length ?? 0;
  return targets.reduce((sum, { address }) => sum + recipientOverhead + 2 * address.length + original, 0);
}

function decide({ client }: SessionState, forwardPath: Mailbox, resolution: Resolution): Decision {
  if (resolution.kind === "not-local") return checkRecipientDomain(forwardPath, client) ?? checkRelay(client);
  const named = sendsOwnMail(client) ? forwardPath : undefined;
  return checkRouteInLocalPart(forwardPath, resolution, client) ?? checkRecipientExists(resolution, named);
}

/** Mail that is relayed keeps the address as it was given (RFC 5321 §2.3.11). */
function elsewhere(path: Mailbox): Target {
  const { localPart, domainKey } = path;
  return { address: formatMailbox(path), domain: domainKey, key: `${localPart}@${domainKey}` };
}
