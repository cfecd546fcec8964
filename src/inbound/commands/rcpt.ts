/** RCPT: whether a recipient is taken, and where its mail will go. */
import type { Target } from "../../accounts/account-directory.ts";
import { looksLikeSrs, type ReversedRecipient } from "../../address/srs.ts";
import type { Envelope } from "../../intake/envelope.ts";
import { whenReady } from "../../lib/when-ready.ts";
import { sendsOwnMail } from "../../policy/client.ts";
import { type Refusal, refuse } from "../../policy/decision.ts";
import type { Ruling } from "../../policy/policy-chain.ts";
import { lastChange, type RecipientFacts } from "../../policy/stage.ts";
import type { RecipientEvent } from "../../smtp/server/event.ts";
import { afterConduct } from "../conduct.ts";
import { clientFacts, type SessionState } from "../session-state.ts";
import { answer, noAction, proceed, type SessionAction, actionFor } from "../session-action.ts";

/** Objects and slots of maps beside the text of an address. */
const recipientOverhead = 300;

export function checkRecipient(state: SessionState, event: RecipientEvent): SessionAction | Promise<SessionAction> {
  return whenReady(findOut(state, event), (facts) => {
    // The client is gone: a directory's answer came after it.
    if (facts === undefined) return noAction;
    const hearer = { log: state.log, isGone: () => state.phases.state.kind !== "transaction" };
    return whenReady(state.services.policy.ask("recipient", facts, hearer), (ruling) =>
      conclude(state, event, facts, ruling),
    );
  });
}

type Found = RecipientFacts | undefined;

/** Where the recipient leads. `undefined`: nobody waits for it any more. */
function findOut(state: SessionState, { forwardPath }: RecipientEvent): Found | Promise<Found> {
  const { forwarding, accounts } = state.services;
  const facts = (more: Pick<RecipientFacts, "reversed" | "resolution">): Found => {
    const phase = state.phases.state;
    if (phase.kind !== "transaction") return undefined;
    const hello = state.hello?.name ?? "";
    return { ...clientFacts(state), hello, reversePath: phase.envelope.reversePath, forwardPath, ...more };
  };
  const named = () => {
    // The socket is asked for our address only where it matters.
    const ourAddress = forwardPath.domainKey.startsWith("[") ? state.channel.ourAddress : undefined;
    const resolved = accounts.resolve(forwardPath, ourAddress);
    return whenReady(resolved, (resolution) => facts({ reversed: undefined, resolution }));
  };
  const rewritten = (reversed: ReversedRecipient) => {
    if (reversed.kind !== "address") return facts({ reversed, resolution: undefined });
    return whenReady(accounts.resolve(reversed.mailbox), (resolution) => facts({ reversed, resolution }));
  };
  if (forwarding === undefined || !looksLikeSrs(forwardPath.localPart)) return named();
  return whenReady(forwarding.reverse(forwardPath), (reversed) =>
    reversed === undefined ? named() : rewritten(reversed),
  );
}

function conclude(
  state: SessionState,
  event: RecipientEvent,
  facts: RecipientFacts,
  ruling: Ruling,
): SessionAction | Promise<SessionAction> {
  const phase = state.phases.state;
  if (phase.kind !== "transaction") return noAction;
  if (ruling.verdict === "refuse") return afterRefusal(state, ruling);
  const { envelope } = phase;
  const { acceptance, changes } = ruling;
  const targets = lastChange(changes, "set-recipients")?.targets;
  // No recipient is taken because nobody objects: it would make an open relay.
  if (acceptance === undefined || targets === undefined) throw new Error("no policy has decided about a recipient");
  const refusal = refusalForRoom(state, envelope, event, targets);
  if (refusal !== undefined) {
    state.services.policy.refused(facts, "recipient-room", refusal, state);
    return answer(refusal.reply);
  }
  const held = lastChange(changes, "hold");
  const { verdict: _, ...why } = acceptance;
  envelope.add(event.forwardPath, event.parameters, targets, {
    ...why,
    submitted: sendsOwnMail(state.client),
    ...(held !== undefined && { held: { by: held.by, reason: held.reason } }),
  });
  return afterConduct(state, "accepted-recipient", proceed);
}

/** Who guesses names or looks for an open relay misbehaves; other refusals say nothing of the client. */
function afterRefusal(
  state: SessionState,
  ruling: Extract<Ruling, { readonly verdict: "refuse" }>,
): SessionAction | Promise<SessionAction> {
  const { reason } = ruling.refusal;
  if (reason === "unknown-recipient") return afterConduct(state, "unknown-recipient", actionFor(ruling));
  return reason === "relay-denied" ? afterConduct(state, "error", actionFor(ruling)) : actionFor(ruling);
}

function refusalForRoom(
  { memory }: SessionState,
  envelope: Envelope,
  { parameters }: RecipientEvent,
  targets: readonly Target[],
): Refusal | undefined {
  if (!envelope.hasRoomFor(targets.length)) return refuse("too-many-expanded-recipients", { targets: targets.length });
  const original = parameters.originalRecipient?.length ?? 0;
  const octets = targets.reduce((sum, { address }) => sum + recipientOverhead + 2 * address.length + original, 0);
  return memory.holdRecipient(octets) ? undefined : refuse("memory-short", {});
}
