/**
 * One message on its way in: content into the spool as it comes, the checks behind its end, and the commit. The client hears
 * of success when the message is durable, never before (RFC 5321 §6.1); whatever goes wrong, nothing of it is kept.
 */
import { parseMailbox } from "../address/mailbox-text.ts";
import type { ContentRepair } from "../events/content-repair.ts";
import { whenReady } from "../lib/when-ready.ts";
import { buildFacts } from "../message/facts.ts";
import type { HeaderSection } from "../message/header-section.ts";
import type { MessageFacts } from "../message/message-facts.ts";
import { isOwnLoop } from "../message/own-loop.ts";
import { checkHeaderAddresses } from "../message/submission-edits.ts";
import type { Decision, Refusal } from "../policy/decision.ts";
import { checkDeliveredBefore } from "../policy/delivered-before.ts";
import { checkHeaderOwnership } from "../policy/header-ownership.ts";
import { checkHopCount, refuseOwnLoop } from "../policy/hop-limit.ts";
import { loginNeeded } from "../policy/sender-permission.ts";
import { withCapturedMarked } from "../route/captured-recipients.ts";
import type { QueueId } from "../spool/queue-id.ts";
import type { ClaimedMessage, NewMessage } from "../spool/spool.ts";
import type { CommitHealth } from "./commit-health.ts";
import { type ContentAdditions, type ContentChecks, contentChecks } from "./content-checks.ts";
import { faultRefusal, spoolRefusal } from "./content-refusals.ts";
import type { Envelope } from "./envelope.ts";
import { storeExpandedReport } from "./expanded-report.ts";
import { headerEdit } from "./header-edit.ts";
import { IncomingContent } from "./incoming-content.ts";
import { newMessage } from "./new-message.ts";
import type { ClientOrigin } from "./origin.ts";
import type { IntakeServices, IntakeSettings } from "./services.ts";
import { logHistory } from "../history/history-log.ts";
import { logTrouble } from "../spool/spool-trouble.ts";
import type { HistoryEvent } from "../events/history-event.ts";

/** Where a submission stands. Only {@link Submission.#become} changes it, and only along {@link leadsTo}. */
type SubmissionState =
  | { readonly kind: "receiving"; readonly content: IncomingContent }
  /** The content is complete; DNS, keys and directories may owe an answer. */
  | { readonly kind: "checking"; readonly content: IncomingContent }
  /** The spool has the message and has not said yet whether it is durable. */
  | { readonly kind: "committing" }
  | { readonly kind: "accepted" }
  | { readonly kind: "refused" }
  | { readonly kind: "abandoned" };

const leadsTo: Readonly<Record<SubmissionState["kind"], readonly SubmissionState["kind"][]>> = {
  receiving: ["checking", "refused", "abandoned"],
  checking: ["committing", "refused", "abandoned"],
  // From here on the spool decides: the message is no longer ours to take back.
  committing: ["accepted", "refused"],
  accepted: [],
  refused: [],
  abandoned: [],
};

/** What the protocol found out about the content by its end. */
export interface ContentEnd {
  /** The first bare line end that was repaired. */
  readonly bareLineEnd?: "CR" | "LF";
  /** Where in what was pushed the first repaired CR stands. */
  readonly firstBareCr?: number;
}

/** Durable. */
export interface Accepted {
  readonly verdict: "accept";
  readonly id: QueueId;
  /** Tells the queue. To be called once, when the client has its answer, or is gone. */
  readonly handOver: () => void;
}

/** `undefined`: it was abandoned, and nobody is there to be told. */
export type SubmissionOutcome = Accepted | Refusal | undefined;

export interface SubmissionParts {
  readonly services: IntakeServices;
  readonly settings: IntakeSettings;
  readonly origin: ClientOrigin;
  readonly envelope: Envelope;
  readonly health: CommitHealth;
}

/** What was found in content that has arrived whole. */
interface ReadContent {
  readonly header: HeaderSection;
  readonly facts: MessageFacts;
  readonly repairs: readonly ContentRepair[];
}

const noAdditions: ContentAdditions = { signatures: "" };

export class Submission {
  readonly id: QueueId;
  readonly #parts: SubmissionParts;
  readonly #checks: ContentChecks | undefined;
  #state: SubmissionState;

  constructor(parts: SubmissionParts) {
    const { services, settings, origin, envelope } = parts;
    const { hostname, headerBytesMax } = settings;
    this.#parts = parts;
    const id = services.ids.next();
    this.id = id;
    const hold = (octets: number) => origin.memory.hold(octets);
    const edit = headerEdit(services, origin, { envelope, hostname });
    const checks = contentChecks(services, { id, origin, envelope, hostname, hold });
    this.#checks = checks;
    const content = new IncomingContent({
      id,
      writer: services.spool.begin(),
      headerBytesMax,
      hold,
      checkLineEnds: origin.checkLineEnds,
      ...(edit === undefined ? undefined : { edit }),
      ...(checks === undefined ? undefined : { checks }),
    });
    this.#state = { kind: "receiving", content };
  }

  /**
   * The slices belong to the spool from here on. A promise: wait before the next. A refusal: the rest is not wanted; what is
   * pushed all the same is passed over.
   */
  push(slices: readonly Uint8Array[]): Refusal | Promise<Refusal | undefined> | undefined {
    const state = this.#state;
    if (state.kind !== "receiving") return undefined;
    const result = state.content.push(slices);
    if (result === undefined) return undefined;
    if (typeof result === "string") return this.#refuse(faultRefusal(result, state.content.faultPlace));
    return result.then(
      () => undefined,
      (error: unknown) => this.#refuseForSpool(error),
    );
  }

  /** After the last slice: checks, signs, commits. Resolves to acceptance only when the message is durable. */
  finish(end: ContentEnd = {}): SubmissionOutcome | Promise<SubmissionOutcome> {
    const { settings, envelope } = this.#parts;
    const state = this.#state;
    if (state.kind !== "receiving") return undefined;
    const { content } = state;
    const finished = content.finish(end.firstBareCr);
    if (typeof finished === "string") return this.#refuse(faultRefusal(finished, content.faultPlace));
    this.#become({ kind: "checking", content });
    const { header, findings, mboxLineDropped } = finished;
    const declaredBinary = envelope.parameters.body === "BINARYMIME";
    const facts = buildFacts({ header, findings, declaredBinary, hostName: settings.hostname });
    const looping = checkHopCount(facts, settings.hopLimit) ?? this.#checkMailboxes(facts);
    if (looping !== undefined && looping.verdict !== "accept") return this.#refuse(looping);
    const repairs = repairsOf(end, mboxLineDropped);
    if (repairs.length > 0) this.#logRepairs(repairs);
    return whenReady(this.#checkOwnership(header), (decision) =>
      decision.verdict === "accept" ? this.#conclude(content, { header, facts, repairs }) : this.#refuse(decision),
    );
  }

  /** Nobody waits for it any more. Does nothing once it is committing. */
  abandon(): void {
    this.#become({ kind: "abandoned" });
  }

  /** Changes the state, with what a change always means. false: the present state does not lead there. */
  #become(next: SubmissionState): boolean {
    const before = this.#state;
    if (!leadsTo[before.kind].includes(next.kind)) return false;
    this.#state = next;
    if (leadsTo[next.kind].length > 0) return true;
    if ("content" in before) {
      before.content.writer.abort().catch((error: unknown) => this.#logSpoolFailure(error));
    }
    this.#parts.origin.memory.release();
    return true;
  }

  #refuse(refusal: Refusal): Refusal | undefined {
    return this.#become({ kind: "refused" }) ? refusal : undefined;
  }

  #refuseForSpool(error: unknown): Refusal | undefined {
    this.#logSpoolFailure(error);
    return this.#refuse(spoolRefusal(error));
  }

  /** Waits for what DNS and keys still owe, then commits or refuses. The client may be gone meanwhile. */
  async #conclude(content: IncomingContent, read: ReadContent): Promise<SubmissionOutcome> {
    const checks = this.#checks;
    const additions = checks?.areNeeded === true ? await this.#check(checks) : noAdditions;
    if (additions === undefined || "reply" in additions) return additions;
    const { services, settings, origin, envelope } = this.#parts;
    const at = services.clock.now();
    const { hostname } = settings;
    const made = newMessage({ id: this.id, origin, envelope, hostname, at, content: read, additions });
    const message = isOwnLoop(read.facts) ? await this.#checkOwnLoop(made.message) : made.message;
    if ("reply" in message) return this.#refuse(message);
    const outcome = await this.#commit(content, read.header, { ...made, message });
    if (outcome?.verdict === "accept" && additions.verdict !== undefined) checks?.noteVerdict(additions.verdict);
    return outcome;
  }

  async #check(checks: ContentChecks): Promise<ContentAdditions | Refusal | undefined> {
    const verdict = await checks.verdict();
    if (this.#state.kind !== "checking") return undefined;
    if (verdict !== undefined) {
      checks.logVerdict(verdict);
      const { decision } = verdict;
      if (decision !== undefined) {
        // What is put off is counted when it comes again.
        if (decision.verdict === "reject") checks.noteVerdict(verdict);
        return this.#refuse(decision);
      }
    }
    let additions: ContentAdditions;
    try {
      additions = await checks.additions(verdict);
    } catch (error) {
      return this.#refuseForSpool(error);
    }
    const decision = await checks.forwardedDecision(additions);
    if (decision.verdict === "accept") return additions;
    const refusal = this.#refuse(decision);
    if (refusal?.verdict === "reject" && verdict !== undefined) checks.noteVerdict({ ...verdict, decision: refusal });
    return refusal;
  }

  /** A rewritten reverse-path of ours proves that the message left here: whoever is behind it may be told. */
  async #checkOwnLoop(message: NewMessage): Promise<NewMessage | Refusal> {
    const { stranger, reversePath } = message;
    const sender = parseMailbox(reversePath);
    const isKnown = stranger === undefined || stranger === "verified" || sender === undefined;
    const original = isKnown ? undefined : await this.#parts.services.forwarding?.reverse(sender);
    const known: NewMessage = original?.kind === "address" ? { ...message, stranger: "verified" } : message;
    const decision = refuseOwnLoop(known.stranger);
    return decision === undefined || decision.verdict === "accept" ? known : decision;
  }

  /**
   * The commit behind the `250`: message, recipients and the first line of history in one transaction, then the report that
   * an expanded alias owes.
   */
  async #commit(
    content: IncomingContent,
    header: HeaderSection,
    { message: sketch, event }: ReturnType<typeof newMessage>,
  ): Promise<SubmissionOutcome> {
    const { services, origin, envelope, health } = this.#parts;
    const { queue, clock, captures } = services;
    const { writer } = content;
    const message = withCapturedMarked(sketch, captures, header);
    let claimed: ClaimedMessage | undefined;
    let events: readonly HistoryEvent[];
    try {
      if (content.pendingWrite !== undefined) await content.pendingWrite;
      if (!this.#become({ kind: "committing" })) return undefined;
      const claim = queue.claimTermsForFresh(message.recipients.map(({ domain }) => domain));
      events = [{ ...event, at: clock.now(), size: writer.size }];
      ({ claimed } = await writer.commit(message, claim === undefined ? { events } : { claim, events }));
    } catch (error) {
      if (this.#state.kind === "committing") health.failed(error);
      return this.#refuseForSpool(error);
    }
    health.succeeded();
    this.#become({ kind: "accepted" });
    logHistory(origin.log, message, events);
    const report = await storeExpandedReport(services, { message, header, envelope, log: origin.log });
    const handOver = () => {
      queue.accepted(claimed);
      if (report !== undefined) queue.accepted(report.claimed);
    };
    return { verdict: "accept", id: message.id, handOver };
  }

  /** Most messages say nothing of an earlier delivery, and then nobody asks where their recipients lead. */
  #checkMailboxes(facts: MessageFacts): Refusal | undefined {
    const { hasMailboxHere } = this.#parts.services;
    if (facts.deliveredTo.length === 0 || hasMailboxHere === undefined) return undefined;
    const { recipients } = this.#parts.envelope;
    return recipients.every(hasMailboxHere) ? checkDeliveredBefore(facts, recipients) : undefined;
  }

  /** Who a submission says it is from (RFC 6409 §5.1, §6.1). */
  #checkOwnership(header: HeaderSection): Decision | Promise<Decision> {
    const { origin, services } = this.#parts;
    const { login } = origin.facts;
    if (origin.trust !== "submitter") return passedOn;
    // Without a login MAIL was refused already, save in development.
    if (login === undefined) return origin.development === true ? anybody : loginNeeded;
    const check = checkHeaderAddresses(header);
    const mailboxes = check.kind === "ok" ? [...check.from, ...(check.sender === undefined ? [] : [check.sender])] : [];
    const answers = mailboxes.map((mailbox) => services.accounts.mayUse(login, mailbox));
    const ready = answers.filter((value) => typeof value === "boolean");
    const all = ready.length === answers.length ? ready : Promise.all(answers.map(async (answer) => answer));
    return whenReady(all, (mayUse) => checkHeaderOwnership(check, mayUse, login));
  }

  /** Worth a line, since a signature over what was repaired does not survive. */
  #logRepairs(repairs: readonly ContentRepair[]): void {
    const { log, development } = this.#parts.origin;
    const hint = development === true && repairs.includes("bare-lf") ? bareLfHint : undefined;
    log.event("content-repaired", { message: this.id, repairs, hint });
  }

  #logSpoolFailure(error: unknown): void {
    logTrouble(this.#parts.origin.log, "storing a message", error, this.id);
  }
}

function repairsOf({ bareLineEnd }: ContentEnd, mboxLineDropped: boolean): readonly ContentRepair[] {
  if (bareLineEnd === undefined && !mboxLineDropped) return noRepairs;
  const lineEnds =
    bareLineEnd === undefined ? [] : [bareLineEnd === "LF" ? ("bare-lf" as const) : ("bare-cr" as const)];
  return mboxLineDropped ? [...lineEnds, "mbox-line"] : lineEnds;
}

const noRepairs: readonly ContentRepair[] = [];
const passedOn: Decision = { verdict: "accept", reason: "not-submitted" };
const anybody: Decision = { verdict: "accept", reason: "development" };

const bareLfHint =
  "Mail servers of other domains refuse a bare LF. Configure the client to end lines with CRLF unless it always sends through a submission server like this one.";
