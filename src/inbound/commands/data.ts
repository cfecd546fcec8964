/** DATA and BDAT: a message of this session goes into the intake, and what becomes of it comes back as a reply. */
import type { DataFacts } from "../../policy/stage.ts";
import { whenReady } from "../../lib/when-ready.ts";
import { reply } from "../../smtp/reply.ts";
import type { ContentBeginEvent, ContentEndEvent, ContentEvent, ContentRefusedEvent } from "../../smtp/server/event.ts";
import { afterCommit } from "../../intake/after-commit.ts";
import type { Envelope } from "../../intake/envelope.ts";
import { originOf } from "../session-origin.ts";
import { clientFacts, leavePhase, phaseOf, type SessionState } from "../session-state.ts";
import { answer, noAction, proceed, actionFor, type SessionAction } from "../session-action.ts";

export function beginContent(state: SessionState, event: ContentBeginEvent): SessionAction | Promise<SessionAction> {
  const { policy, intake } = state.services;
  const { envelope } = phaseOf(state, "transaction");
  const facts = dataFacts(state, envelope, event.declaredSize);
  const isGone = () => state.phases.state.kind !== "transaction";
  return whenReady(policy.ask("data", facts, { log: state.log, isGone }), (ruling) => {
    // The client is gone: the answer came after it.
    if (isGone()) return noAction;
    if (ruling.verdict === "refuse") {
      leavePhase(state);
      return actionFor(ruling);
    }
    const submission = intake.begin(originOf(state, envelope, { checkLineEnds: event.via === "BDAT" }), envelope);
    state.phases.change("content", { kind: "receiving", envelope, submission });
    return proceed;
  });
}

export function receiveContent(state: SessionState, event: ContentEvent): SessionAction | Promise<SessionAction> {
  const phase = state.phases.state;
  // Refused before: the rest is drained by the core.
  if (phase.kind !== "receiving") return noAction;
  return whenReady(phase.submission.push(event.slices), (refusal): SessionAction => {
    if (refusal === undefined) return noAction;
    leavePhase(state);
    return { kind: "refuse-content", reply: refusal.reply };
  });
}

export function endContent(state: SessionState, event: ContentEndEvent): SessionAction | Promise<SessionAction> {
  const { submission } = phaseOf(state, "receiving");
  return whenReady(submission.finish(event), (outcome): SessionAction => {
    if (outcome === undefined) return noAction;
    leavePhase(state);
    if (outcome.verdict !== "accept") return answer(outcome.reply);
    state.messages++;
    const queued = reply(250, "2.0.0", `Ok: queued as ${outcome.id}`);
    // A fault here must cost nobody the 250, which the network may not have taken yet: the message is durable.
    const afterwards = () => afterCommit(state.log, outcome.id, outcome.handOver);
    return { kind: "answer", reply: queued, afterwards };
  });
}

/** The core, or we before, refused what came. */
export function noteContentRefused(state: SessionState, event: ContentRefusedEvent): SessionAction {
  const { reason, reply: refused, size } = event;
  if (reason !== "driver") {
    const phase = state.phases.state;
    const facts = dataFacts(state, "envelope" in phase ? phase.envelope : undefined);
    const setting = reason === "too-large" ? { setting: "limits.message_size" } : undefined;
    state.services.policy.refused(
      facts,
      "content-form",
      { reason, reply: refused, inputs: { size }, ...setting },
      state,
    );
  }
  leavePhase(state);
  return noAction;
}

function dataFacts(state: SessionState, envelope: Envelope | undefined, size = 0): DataFacts {
  const recipients = envelope?.accepted.map(({ address }) => address) ?? [];
  return { ...clientFacts(state), reversePath: envelope?.reversePath ?? null, recipients, size };
}
