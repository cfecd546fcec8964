/**
 * One message on its way in: content into the spool as it comes, the checks behind its end, and the commit. The client hears
 * of success when the message is durable, never before (RFC 5321 §6.1); whatever goes wrong, nothing of it is kept.
 */
import type { ContentRepair } from "../events/content-repair.ts";
import type { HistoryEvent } from "../events/history-event.ts";
import { logHistory } from "../history/history-log.ts";
import { StateMachine } from "../lib/transition-table.ts";
import { whenReady } from "../lib/when-ready.ts";
import { buildFacts } from "../message/facts.ts";
import type { HeaderSection } from "../message/header-section.ts";
import type { MessageFacts } from "../message/message-facts.ts";
import { isOwnLoop } from "../message/own-loop.ts";
import type { SenderVerdict } from "../policy/authentication/sender-verdict.ts";
import type { Ruling } from "../policy/policy-chain.ts";
import type { Change, ContentFacts, DataFacts } from "../policy/stage.ts";
import type { Log } from "../ports/log.ts";
import { logTrouble } from "../spool/spool-trouble.ts";
import { withCapturedMarked } from "../route/captured-recipients.ts";
import type { QueueId } from "../spool/queue-id.ts";
import type { ClaimedMessage, NewMessage } from "../spool/spool.ts";
import { afterCommit } from "./after-commit.ts";
import type { CommitHealth } from "./commit-health.ts";
import { type ContentAdditions, type ContentChecks, contentChecks } from "./content-checks.ts";
import { faultRefusal, type Refused, spoolRefusal } from "./content-refusals.ts";
import type { Envelope } from "./envelope.ts";
import { headerEdit } from "./header-edit.ts";
import { IncomingContent } from "./incoming-content.ts";
import { checkOwnLoop } from "./own-loop.ts";
import { heldEvents, newMessage } from "./new-message.ts";
import type { Letter, WithLetter } from "./letter.ts";
import type { ClientOrigin, Origin } from "./origin.ts";
import type { IntakeServices, IntakeSettings } from "./services.ts";
import { type Checking, type SubmissionRows, type SubmissionState, submissionTransitions } from "./submission-state.ts";

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
export type SubmissionOutcome = Accepted | Refused | undefined;

export interface SubmissionParts {
  readonly services: IntakeServices;
  readonly settings: IntakeSettings;
  readonly origin: Origin;
  readonly envelope: Envelope;
  readonly health: CommitHealth;
  /** Stores a letter, and leaves it to the caller to hand it over. Rejects where the spool does. */
  readonly store: (letter: Letter, more: WithLetter) => Promise<Accepted>;
}

/** What was found in content that has arrived whole. */
interface ReadContent {
  readonly header: HeaderSection;
  readonly facts: MessageFacts;
  readonly repairs: readonly ContentRepair[];
}

const unchanged: Ruling = { verdict: "proceed", changes: [] };

export class Submission {
  readonly id: QueueId;
  readonly #parts: SubmissionParts;
  /** Absent: we made the message ourselves. */
  readonly #client: ClientOrigin | undefined;
  readonly #checks: ContentChecks | undefined;
  readonly #machine: StateMachine<SubmissionState, SubmissionRows>;

  constructor(parts: SubmissionParts) {
    const { services, settings, origin, envelope } = parts;
    const { hostname, headerBytesMax } = settings;
    this.#parts = parts;
    const own = origin.trust === "ourselves";
    const client = own ? undefined : origin;
    const id = own ? origin.letter.id : services.ids.next();
    this.id = id;
    this.#client = client;
    const hold = (octets: number) => client?.memory.hold(octets) ?? true;
    const edit = client && headerEdit(services, client, { envelope, hostname });
    const checks = contentChecks(services, { id, origin, envelope, hostname, hold });
    this.#checks = checks;
    const writer = services.spool.begin();
    const content = new IncomingContent({
      append: (bytes) => writer.append(bytes),
      headerBytesMax: own ? Number.POSITIVE_INFINITY : headerBytesMax,
      hold,
      checkLineEnds: client?.checkLineEnds ?? false,
      ...(edit !== undefined && { edit }),
      ...(checks !== undefined && { checks }),
    });
    this.#machine = new StateMachine<SubmissionState, SubmissionRows>(
      submissionTransitions,
      { kind: "receiving", content, writer },
      (before) => this.#free(before),
    );
  }

  /**
   * The slices belong to the spool from here on. A promise: wait before the next. A refusal: the rest is not wanted; what is
   * pushed nevertheless is passed over.
   */
  push(slices: readonly Uint8Array[]): Refused | Promise<Refused | undefined> | undefined {
    const state = this.#machine.state;
    if (state.kind !== "receiving") return undefined;
    const result = state.content.push(slices);
    if (result === undefined) return undefined;
    if (typeof result === "string") return this.#refuse(faultRefusal(result, state.content.faultPlace), "content-form");
    return result.then(
      () => undefined,
      (error: unknown) => this.#refuseForSpool(error),
    );
  }

  /** After the last slice: checks, signs, commits. Resolves to acceptance only when the message is durable. */
  finish(end: ContentEnd = {}): SubmissionOutcome | Promise<SubmissionOutcome> {
    const { settings, envelope } = this.#parts;
    const state = this.#machine.state;
    if (state.kind !== "receiving") return undefined;
    const { content, writer } = state;
    const finished = content.finish(end.firstBareCr);
    if (typeof finished === "string") return this.#refuse(faultRefusal(finished, content.faultPlace), "content-form");
    const checking = { kind: "checking", content, writer } as const;
    this.#machine.change("received", checking);
    const { header, findings, mboxLineDropped } = finished;
    const declaredBinary = envelope.parameters.body === "BINARYMIME";
    const facts = buildFacts({ header, findings, declaredBinary, hostName: settings.hostname });
    const read = { header, facts, repairs: repairsOf(end, mboxLineDropped) };
    return whenReady(this.#ask("header", read), (ruling) => {
      if (ruling.verdict === "refuse") return this.#refuse(ruling.refusal);
      if (read.repairs.length > 0) this.#logRepairs(read.repairs);
      return this.#conclude(checking, read, ruling.changes);
    });
  }

  /** Nobody waits for it any more. Does nothing once it is committing. */
  abandon(): void {
    this.#machine.change("abandon", { kind: "abandoned" });
  }

  /** After each change: what the message held is freed when this is the end of it. */
  #free(before: SubmissionState): void {
    if (!this.#machine.isOver) return;
    if ("writer" in before) {
      before.writer.abort().catch((error: unknown) => this.#logSpoolFailure(error));
    }
    this.#client?.memory.release();
  }

  /** Policies have nothing to say about what we made ourselves. */
  #ask(moment: "header" | "content", { header, facts }: ReadContent, sender?: SenderVerdict): Ruling | Promise<Ruling> {
    const client = this.#client;
    if (client === undefined) return unchanged;
    const { services, settings, envelope } = this.#parts;
    const asked: ContentFacts = {
      ...this.#told(client),
      ...{ header, message: facts, sender, targets: envelope.recipients, hopLimit: settings.hopLimit },
      submits: client.trust === "submitter",
    };
    return services.policy.ask(moment, asked, {
      log: client.log,
      isGone: () => this.#machine.state.kind !== "checking",
    });
  }

  #told({ client, development }: ClientOrigin): DataFacts {
    const { reversePath, accepted } = this.#parts.envelope;
    const recipients = accepted.map(({ address }) => address);
    return { client, development: development === true, reversePath, recipients, size: 0 };
  }

  /** Accepted, refused or given up meanwhile: nothing more is to be done, and nobody waits for it. */
  get #isOver(): boolean {
    return this.#machine.isOver;
  }

  /** `rule`: of what no stage has refused, and logged. */
  #refuse(refusal: Refused, rule?: string): Refused | undefined {
    if (!this.#machine.change("refuse", { kind: "refused" })) return undefined;
    if (rule !== undefined && this.#client !== undefined) {
      this.#parts.services.policy.refused(this.#told(this.#client), rule, refusal, this.#client);
    }
    return refusal;
  }

  #refuseForSpool(error: unknown): Refused | undefined {
    if (!this.#isOver) this.#logSpoolFailure(error);
    return this.#refuse(spoolRefusal(error), "spool");
  }

  /** Waits for what DNS and keys still owe, then commits or refuses. The client may be gone meanwhile. */
  async #conclude(checking: Checking, read: ReadContent, asked: readonly Change[]): Promise<SubmissionOutcome> {
    const checks = this.#checks?.areNeeded === true ? this.#checks : undefined;
    const additions = await this.#judge(read, checks, asked);
    if (additions === undefined || "reply" in additions) return additions;
    const { services, settings, origin, envelope } = this.#parts;
    const at = origin.trust === "ourselves" ? origin.letter.at : services.clock.now();
    const { hostname } = settings;
    const made = newMessage({ id: this.id, origin, envelope, hostname, at, content: read, additions });
    let { message } = made;
    if (isOwnLoop(read.facts)) {
      const judged = await checkOwnLoop(services, message);
      if (judged.refusal !== undefined) {
        return this.#refuseSender(checks, additions.verdict, this.#refuse(judged.refusal, "own-loop"));
      }
      ({ message } = judged);
    }
    const outcome = await this.#commit(checking, read.header, { ...made, message });
    const { verdict } = additions;
    if (outcome?.verdict === "accept" && verdict !== undefined) this.#note(() => checks?.noteVerdict(verdict));
    return outcome;
  }

  async #judge(
    read: ReadContent,
    checks: ContentChecks | undefined,
    asked: readonly Change[],
  ): Promise<ContentAdditions | Refused | undefined> {
    const verdict = await checks?.verdict();
    if (this.#isOver) return undefined;
    if (verdict !== undefined && this.#client !== undefined) checks?.logVerdict(this.#client.log, verdict);
    const ruling = await this.#ask("content", read, verdict);
    if (this.#isOver) return undefined;
    if (ruling.verdict === "refuse") return this.#refuseSender(checks, verdict, this.#refuse(ruling.refusal));
    const changes = [...asked, ...ruling.changes];
    if (checks === undefined) return { signatures: "", changes };
    let additions: ContentAdditions;
    try {
      additions = await checks.additions(verdict);
    } catch (error) {
      return this.#refuseForSpool(error);
    }
    if (this.#isOver) return undefined;
    const refused = await checks.refusalToForward(additions);
    if (refused === undefined) return { ...additions, changes };
    return this.#refuseSender(checks, verdict, this.#refuse(refused, "forwarded-author"));
  }

  /** Deferred mail is counted when it is retried. */
  #refuseSender(
    checks: ContentChecks | undefined,
    verdict: SenderVerdict | undefined,
    refusal: Refused | undefined,
  ): Refused | undefined {
    if (refusal?.verdict === "reject" && verdict !== undefined) checks?.noteVerdict({ ...verdict, decision: refusal });
    return refusal;
  }

  /**
   * The commit behind the `250`: message, recipients and the first line of history in one transaction, then the report that
   * an expanded alias owes.
   */
  async #commit(
    { content, writer }: Checking,
    header: HeaderSection,
    { message: sketch, event }: ReturnType<typeof newMessage>,
  ): Promise<SubmissionOutcome> {
    const { services, origin, health } = this.#parts;
    const { admission, queue, clock, captures } = services;
    const own = origin.trust === "ourselves" ? origin : undefined;
    const message = withCapturedMarked(sketch, captures, header);
    let claimed: ClaimedMessage | undefined;
    let events: readonly HistoryEvent[];
    try {
      if (content.pendingWrite !== undefined) await content.pendingWrite;
      const claim = await admission.claimTerms(message.recipients.map(({ domain }) => domain));
      if (!this.#machine.change("commit", { kind: "committing" })) return undefined;
      const at = clock.now();
      events = [own?.event ?? { ...event, at, size: writer.size }, ...heldEvents(message, at)];
      const more = {
        ...(claim !== undefined && { claim }),
        ...(own?.records !== undefined && { records: own.records }),
      };
      ({ claimed } = await health.timed(writer.commit(message, { events, ...more })));
    } catch (error) {
      if (this.#machine.state.kind === "committing") health.failed(error);
      return this.#refuseForSpool(error);
    }
    this.#machine.change("durable", { kind: "accepted" });
    this.#note((log) => logHistory(log, message, events));
    const report = await this.#storeExpandedReport(message, header);
    const handOver = () => {
      queue.accepted(claimed);
      report?.handOver();
    };
    return { verdict: "accept", id: message.id, handOver };
  }

  /**
   * The report that an alias with several targets owes its sender. The message is accepted by now, so a report that cannot
   * be stored is logged and given up (RFC 3461 §5.2.7.3 is no MUST): a 4yz would have the client send the message again.
   */
  async #storeExpandedReport(message: NewMessage, header: HeaderSection): Promise<Accepted | undefined> {
    const { services, envelope, store } = this.#parts;
    const { stranger, junk } = message;
    const unasked = stranger === "forged" || (stranger !== undefined && junk === true);
    if (this.#client === undefined || envelope.expanded.length === 0 || unasked) return undefined;
    try {
      const owed = await services.reporter.expandedReport({ message, header, recipients: envelope.expanded });
      if (owed === undefined) return undefined;
      const report = await store(owed.letter, { event: owed.event });
      this.#note((log) => logHistory(log, message, [owed.event]));
      return report;
    } catch (error) {
      this.#note((log) => logTrouble(log, "storing the report of an expanded alias", error, message.id));
      return undefined;
    }
  }

  /** After the commit. */
  #note(act: (log: Log) => void): void {
    const client = this.#client;
    if (client !== undefined) afterCommit(client.log, this.id, () => act(client.log));
  }

  /** Worth a line, since a signature over what was repaired does not survive. */
  #logRepairs(repairs: readonly ContentRepair[]): void {
    const hint = this.#client?.development === true && repairs.includes("bare-lf") ? bareLfHint : undefined;
    this.#client?.log.event("content-repaired", { message: this.id, repairs, hint });
  }

  #logSpoolFailure(error: unknown): void {
    if (this.#client !== undefined) logTrouble(this.#client.log, "storing a message", error, this.id);
  }
}

function repairsOf({ bareLineEnd }: ContentEnd, mboxLineDropped: boolean): readonly ContentRepair[] {
  if (bareLineEnd === undefined && !mboxLineDropped) return noRepairs;
  const lineEnds =
    bareLineEnd === undefined ? [] : [bareLineEnd === "LF" ? ("bare-lf" as const) : ("bare-cr" as const)];
  return mboxLineDropped ? [...lineEnds, "mbox-line"] : lineEnds;
}

const noRepairs: readonly ContentRepair[] = [];

const bareLfHint =
  "Mail servers of other domains refuse a bare LF. Configure the client to end lines with CRLF unless it always sends through a submission server like this one.";
