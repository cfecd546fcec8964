/** DATA and BDAT: a message of this session goes into the intake, and what becomes of it comes back as a reply. */
import type { Refusal } from "../../policy/decision.ts";
import { whenReady } from "../../lib/when-ready.ts";
import { reply, type Reply } from "../../smtp/reply.ts";
import type { ContentBeginEvent, ContentEndEvent, ContentEvent, ContentRefusedEvent } from "../../smtp/server/event.ts";
import { originOf } from "../session-origin.ts";
import { leavePhase, phaseOf, type SessionState } from "../session-state.ts";
import { noted, proceed, verdictOf, type Verdict } from "../verdict.ts";

export function beginContent(state: SessionState, event: ContentBeginEvent): Verdict | Promise<Verdict> {
  const { admission, intake } = state.services;
  return whenReady(admission.roomFor(event.declaredSize ?? 0), (short) => {
    const { phase } = state;
    // The client is gone: the answer came after it.
    if (phase.kind !== "transaction") return noted;
    if (short !== undefined) return refuse(state, short);
    const { envelope } = phase;
    const submission = intake.begin(originOf(state, envelope, { checkLineEnds: event.via === "BDAT" }), envelope);
    state.phase = { kind: "receiving", envelope, submission };
    return proceed;
  });
}

export function receiveContent(state: SessionState, event: ContentEvent): Verdict | Promise<Verdict> {
  const { phase } = state;
  // Refused before: the rest is drained by the core.
  if (phase.kind !== "receiving") return noted;
  return whenReady(phase.submission.push(event.slices), (refusal): Verdict => {
    if (refusal === undefined) return noted;
    refuse(state, refusal);
    return { kind: "refuse-content", reply: refusal.reply };
  });
}

export function endContent(state: SessionState, event: ContentEndEvent): Verdict | Promise<Verdict> {
  const { submission } = phaseOf(state, "receiving");
  return whenReady(submission.finish(event), (outcome): Verdict => {
    if (outcome === undefined) return noted;
    if (outcome.verdict !== "accept") return refuse(state, outcome);
    leavePhase(state);
    state.messages++;
    const queued = reply(250, "2.0.0", `Ok: queued as ${outcome.id}`);
    return { kind: "answer", reply: queued, afterwards: outcome.handOver };
  });
}

/** The core, or we before, refused what came. */
export function noteContentRefused(state: SessionState, event: ContentRefusedEvent): Verdict {
  if (event.reason !== "driver") {
    logRefusal(state, event.reply, event.reason, event.reason === "too-large" ? "limits.message_size" : undefined);
  }
  leavePhase(state);
  return noted;
}

/** The transaction is over. */
function refuse(state: SessionState, refusal: Refusal): Verdict {
  logRefusal(state, refusal.reply, refusal.reason, refusal.setting);
  leavePhase(state);
  return verdictOf(refusal);
}

function logRefusal(state: SessionState, refusal: Reply, reason: string, setting: string | undefined): void {
  const { phase, client, log } = state;
  const envelope = "envelope" in phase ? phase.envelope : undefined;
  log.event("content-refused", {
    client: client.address,
    from: envelope?.reversePathText,
    to: envelope?.accepted.map(({ address }) => address),
    reason,
    setting,
    reply: refusal.code,
  });
}
