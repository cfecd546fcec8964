/**
 * DATA and BDAT: content into the spool, and the commit behind the `250`. The reply comes after the commit, never before
 * (RFC 5321 §6.1); whatever goes wrong, nothing of the message is kept and the client hears 4yz or 5yz.
 */
import { parseMailbox } from "../../address/mailbox-text.ts";
import { checkDeliveredBefore } from "../../policy/delivered-before.ts";
import { checkHopCount, refuseOwnLoop } from "../../policy/hop-limit.ts";
import { checkHeaderOwnership } from "../../policy/header-ownership.ts";
import { isSubmission } from "../../policy/client.ts";
import { buildFacts } from "../../message/facts.ts";
import { headerFaultWords } from "../../message/header-end.ts";
import type { HeaderSection } from "../../message/header-section.ts";
import { isOwnLoop } from "../../message/own-loop.ts";
import type { MessageFacts } from "../../message/message-facts.ts";
import { makeMessageId, messageIdRandomBytes } from "../../message/message-id.ts";
import { checkHeaderAddresses, editSubmission } from "../../message/submission-edits.ts";
import type { Decision, Refusal } from "../../policy/decision.ts";
import { loginNeeded } from "../../policy/sender-permission.ts";
import { reply, type Reply } from "../../smtp/reply.ts";
import type { ContentBeginEvent, ContentEndEvent, ContentEvent, ContentRefusedEvent } from "../../smtp/server/event.ts";
import type { ContentRepair } from "../../events/content-repair.ts";
import type { QueueId } from "../../spool/queue-id.ts";
import { SpoolError, type NewMessage } from "../../spool/spool.ts";
import { type ContentFault, IncomingContent, type HeaderEdit } from "../incoming-content.ts";
import { type ContentAdditions, type ContentChecks, contentChecks, isStranger } from "../content-checks.ts";
import { withoutForgedResults } from "../forged-results.ts";
import { newMessage } from "../new-message.ts";
import { commitMessage } from "./commit.ts";
import { memoryShort } from "../session-memory.ts";
import { leavePhase, phaseOf, type ReceivingPhase, type SessionState } from "../session-state.ts";
import type { Transaction } from "../transaction.ts";
import { noted, proceed, verdictOf, whenReady, type Verdict } from "../verdict.ts";

const faults: Readonly<Record<ContentFault, Decision>> = {
  "memory-short": memoryShort,
  "header-too-large": {
    verdict: "reject",
    reply: reply(552, "5.3.4", "The message header is too large"),
    reason: "header-too-large",
    setting: "limits.header_size",
  },
  "begins-with-white-space": {
    verdict: "reject",
    reply: reply(554, "5.6.0", headerFaultWords["begins-with-white-space"]),
    reason: "header-begins-with-white-space",
  },
  "stray-octets": {
    verdict: "reject",
    reply: reply(554, "5.6.0", headerFaultWords["stray-octets"]),
    reason: "header-stray-octets",
  },
};

function faultDecision(fault: ContentFault, { faultPlace }: IncomingContent): Decision {
  const decision = faults[fault];
  if (decision.verdict === "accept" || faultPlace === undefined) return decision;
  const { code, status, lines } = decision.reply;
  return { ...decision, reply: reply(code, status, `${lines.join(" ")}: ${faultPlace}`) };
}

export function beginContent(state: SessionState, event: ContentBeginEvent): Verdict {
  const { services, settings } = state;
  const { transaction } = phaseOf(state, "transaction");
  const space = services.freeSpace.check(event.declaredSize ?? 0);
  if (space.verdict !== "accept") return refuse(state, space);
  const edit = headerEdit(state, transaction);
  const checks = contentChecks(state, transaction);
  const content = new IncomingContent({
    id: services.ids.next(),
    writer: services.spool.begin(),
    headerBytesMax: settings.limits.header_size,
    hold: (octets) => state.memory.holdContent(octets),
    checkLineEnds: event.via === "BDAT",
    ...(edit === undefined ? undefined : { edit }),
    ...(checks === undefined ? undefined : { checks }),
  });
  state.phase = { kind: "receiving", transaction, content, committing: false };
  return proceed;
}

export function receiveContent(state: SessionState, event: ContentEvent): Verdict | Promise<Verdict> {
  const { phase } = state;
  // Refused before: the rest is drained by the core.
  if (phase.kind !== "receiving") return noted;
  const { content } = phase;
  const result = content.push(event.slices);
  if (result === undefined) return noted;
  if (typeof result === "string") return refuseContent(state, faultDecision(result, content));
  return result.then(
    () => noted,
    (error: unknown) => refuseContent(state, spoolDecision(state, content.id, error)),
  );
}

export function endContent(state: SessionState, event: ContentEndEvent): Verdict | Promise<Verdict> {
  const { settings } = state;
  const phase = phaseOf(state, "receiving");
  const { content, transaction } = phase;
  const finished = content.finish(event.firstBareCr);
  if (typeof finished === "string") return refuse(state, faultDecision(finished, content));
  const { header, findings, mboxLineDropped } = finished;
  const repairs = repairsOf(event, mboxLineDropped);
  const declaredBinary = transaction.parameters.body === "BINARYMIME";
  const facts = buildFacts({ header, findings, declaredBinary, hostName: settings.hostname });
  const looping = checkHopCount(facts, settings.hopLimit) ?? checkMailboxes(state, transaction, facts);
  if (looping !== undefined) return refuse(state, looping);
  const { checks } = content;
  const commit = (additions?: ContentAdditions) => {
    const made = newMessage(state, content.id, transaction, { facts, repairs }, additions);
    const store = (message: NewMessage) => commitMessage(state, phase, { ...made, message, header });
    const stored = isOwnLoop(facts) ? commitLoop(state, phase, made.message, store) : store(made.message);
    return stored.then(
      (verdict) => {
        if (additions?.verdict !== undefined) checks?.noteVerdict(additions.verdict);
        return verdict;
      },
      (error: unknown) => refuse(state, spoolDecision(state, content.id, error)),
    );
  };
  const proceedContent = () => (checks?.areNeeded === true ? commitChecked(state, phase, checks, commit) : commit());
  const decided = whenReady(checkOwnership(state, header), (decision) =>
    decision.verdict === "accept" ? proceedContent() : refuse(state, decision),
  );
  if (repairs.length > 0) logRepairs(state, content.id, repairs);
  return decided;
}

function repairsOf({ bareLineEnd }: ContentEndEvent, mboxLineDropped: boolean): readonly ContentRepair[] {
  if (bareLineEnd === undefined && !mboxLineDropped) return noRepairs;
  const lineEnds =
    bareLineEnd === undefined ? [] : [bareLineEnd === "LF" ? ("bare-lf" as const) : ("bare-cr" as const)];
  return mboxLineDropped ? [...lineEnds, "mbox-line"] : lineEnds;
}

const noRepairs: readonly ContentRepair[] = [];

/** Worth a line, since a signature over what was repaired does not survive. */
function logRepairs(state: SessionState, message: QueueId, repairs: readonly ContentRepair[]): void {
  const hint = repairs.includes("bare-lf") ? bareLfHint : undefined;
  state.log.event("content-repaired", { message, repairs, hint: state.listener.development ? hint : undefined });
}

const bareLfHint =
  "Mail servers of other domains refuse a bare LF. Configure the client to end lines with CRLF unless it always sends through a submission server like this one.";

/** Waits for what DNS and keys still owe, then commits or refuses. The client may be gone meanwhile. */
async function commitChecked(
  state: SessionState,
  phase: ReceivingPhase,
  checks: ContentChecks,
  commit: (additions: ContentAdditions) => Promise<Verdict>,
): Promise<Verdict> {
  const verdict = await checks.verdict();
  if (state.phase !== phase) return noted;
  if (verdict !== undefined) {
    checks.logVerdict(phase.content.id, verdict);
    const { decision } = verdict;
    if (decision !== undefined) {
      // What is put off is counted when it comes again.
      if (decision.verdict === "reject") checks.noteVerdict(verdict);
      return refuse(state, decision);
    }
  }
  const additions = await checks.additions(verdict).catch((error: unknown) => ({ failure: error }));
  if (state.phase !== phase) return noted;
  if ("failure" in additions) return refuse(state, spoolDecision(state, phase.content.id, additions.failure));
  const decision = await checks.forwardedDecision(additions);
  if (state.phase !== phase) return noted;
  if (decision.verdict === "accept") return commit(additions);
  if (verdict !== undefined && decision.verdict === "reject") checks.noteVerdict({ ...verdict, decision });
  return refuse(state, decision);
}

/** A rewritten reverse-path of ours proves that the message left here: whoever is behind it may be told. */
async function commitLoop(
  state: SessionState,
  phase: ReceivingPhase,
  message: NewMessage,
  store: (message: NewMessage) => Promise<Verdict>,
): Promise<Verdict> {
  const { stranger, reversePath } = message;
  const sender = parseMailbox(reversePath);
  const isKnown = stranger === undefined || stranger === "verified" || sender === undefined;
  const original = isKnown ? undefined : await state.services.forwarding?.reverse(sender);
  // The client may be gone meanwhile.
  if (state.phase !== phase) return noted;
  const known: NewMessage = original?.kind === "address" ? { ...message, stranger: "verified" } : message;
  const refusal = refuseOwnLoop(known.stranger);
  return refusal === undefined ? await store(known) : refuse(state, refusal);
}

/** Most messages say nothing of an earlier delivery, and then nobody asks where their recipients lead. */
function checkMailboxes(
  { services }: SessionState,
  { recipients }: Transaction,
  facts: MessageFacts,
): Refusal | undefined {
  if (facts.deliveredTo.length === 0 || services.hasMailboxHere === undefined) return undefined;
  return recipients.every(services.hasMailboxHere) ? checkDeliveredBefore(facts, recipients) : undefined;
}

/** The core, or we before, refused what came. */
export function noteContentRefused(state: SessionState, event: ContentRefusedEvent): Verdict {
  if (event.reason !== "driver") {
    logRefusal(state, event.reply, event.reason, event.reason === "too-large" ? "limits.message_size" : undefined);
  }
  leavePhase(state);
  return noted;
}

const passedOn: Decision = { verdict: "accept", reason: "not-submitted" };
const anybody: Decision = { verdict: "accept", reason: "development" };

/** Who a submission says it is from (RFC 6409 §5.1, §6.1). */
function checkOwnership(state: SessionState, header: HeaderSection): Decision | Promise<Decision> {
  const { login } = state.client;
  if (!isSubmission(state.client)) return passedOn;
  // Without a login MAIL was refused already, save in development.
  if (login === undefined) return state.listener.development === true ? anybody : loginNeeded;
  const check = checkHeaderAddresses(header);
  const mailboxes = check.kind === "ok" ? [...check.from, ...(check.sender === undefined ? [] : [check.sender])] : [];
  const answers = mailboxes.map((mailbox) => state.services.accounts.mayUse(login, mailbox));
  const ready = answers.filter((value) => typeof value === "boolean");
  const all = ready.length === answers.length ? ready : Promise.all(answers.map(async (answer) => answer));
  return whenReady(all, (mayUse) => checkHeaderOwnership(check, mayUse, login));
}

/** A relay passes on what it gets (RFC 5321 §6.4); only what a stranger says in our name goes (RFC 8601 §5). */
function headerEdit(state: SessionState, transaction: Transaction): HeaderEdit | undefined {
  const { authentication } = state.services;
  const submission = isSubmission(state.client) ? submissionEdit(state, transaction) : undefined;
  if (authentication === undefined || (submission === undefined && !isStranger(state))) return submission;
  if (submission !== undefined && state.listener.development === true) return submission;
  return (header) => {
    const honest = withoutForgedResults(header, authentication.ownNames);
    return submission === undefined ? honest : submission(honest);
  };
}

function submissionEdit(state: SessionState, transaction: Transaction): HeaderEdit {
  const { services, settings, client, listener } = state;
  const keepHidden = listener.development === true;
  return (header) => {
    const now = services.clock.now();
    const makeId = () =>
      makeMessageId({ at: now, random: services.random.bytes(messageIdRandomBytes), host: settings.hostname });
    const author = client.login ?? transaction.reversePathText;
    const completesAuthors = client.login !== undefined && parseMailbox(client.login) !== undefined;
    return editSubmission(header, { now, makeMessageId: makeId, author, completesAuthors, keepHidden }).header;
  };
}

function spoolDecision(state: SessionState, id: QueueId, error: unknown): Decision {
  const noSpace = error instanceof SpoolError && error.code === "no-space";
  state.log.event("spool-failed", { message: id, error: String(error) });
  return noSpace
    ? { verdict: "defer", reply: reply(452, "4.3.1", "Insufficient disk space, try again later"), reason: "no-space" }
    : {
        verdict: "defer",
        reply: reply(451, "4.3.0", "The message could not be stored, try again later"),
        reason: "spool-failed",
      };
}

/** In answer to DATA, or at the end of content: the transaction is over. */
function refuse(state: SessionState, decision: Decision): Verdict {
  if (decision.verdict !== "accept") logRefusal(state, decision.reply, decision.reason, decision.setting);
  leavePhase(state);
  return verdictOf(decision);
}

/** While content still comes: the rest is drained. */
function refuseContent(state: SessionState, decision: Decision): Verdict {
  if (decision.verdict === "accept") return noted;
  logRefusal(state, decision.reply, decision.reason, decision.setting);
  leavePhase(state);
  return { kind: "refuse-content", reply: decision.reply };
}

function logRefusal(state: SessionState, refusal: Reply, reason: string, setting: string | undefined): void {
  const { phase } = state;
  const transaction = "transaction" in phase ? phase.transaction : undefined;
  state.log.event("content-refused", {
    client: state.client.address,
    from: transaction?.reversePathText,
    to: transaction?.accepted.map(({ address }) => address),
    reason,
    setting,
    reply: refusal.code,
  });
}
