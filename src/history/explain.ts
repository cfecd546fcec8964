/**
 * Why a message is where it is: what it is, what each recipient waits for and why, and what happened so far, in
 * sentences. Read from the spool alone, so it can be asked at any time and of any message that is still known.
 *
 * The shape is what `posthaste explain --json` and the API give; docs/explain.md documents it. Fields are only added.
 */
import { sentence as ended } from "../lib/sentence.ts";
import type { HistoryEvent } from "../events/history-event.ts";
import type { UnsealedReason } from "../events/unsealed-reason.ts";
import { type Instant, isoTime } from "../lib/instant.ts";
import type { Spool, StoredMessage, StoredRecipient } from "../spool/spool.ts";
import { timeline, type TimelineEntry } from "./timeline.ts";
import { durationWords, plain, quoted, timeWords, signInWords } from "./words.ts";

export interface ExplainedMessage {
  readonly id: string;
  readonly received_at: string;
  /** "" is the null reverse-path. */
  readonly from: string;
  readonly size: number;
  readonly subject?: string;
  readonly message_id?: string;
  readonly listener: string;
  readonly protocol: string;
  readonly client?: string;
  readonly hello?: string;
  readonly login?: string;
  /** The mechanism of the login, and the key. */
  readonly signed_in_by?: string;
  /** By which the client was allowed to relay. */
  readonly relay_key?: string;
  readonly tls?: string;
  /** The message that this one reports on. */
  readonly report_on?: string;
  /** When recipients that still fail are given up. */
  readonly expires_at: string;
}

export interface ExplainedRecipient {
  readonly address: string;
  /** The address that was given, where an alias led elsewhere. */
  readonly accepted_as?: string;
  /** Why the address was taken, as it was decided then. */
  readonly accepted?: {
    readonly reason: string;
    /** The policy that decided. */
    readonly rule?: string;
    readonly setting?: string;
    /** File and line of the setting, or `default`. */
    readonly setting_at?: string;
  };
  /** A local address forwards to this one at another server: the reverse-path it leaves with; "" is the null one. */
  readonly forwarded_from?: string;
  /** Of forwarded mail: whether it leaves with an ARC set of ours. */
  readonly sealed?: boolean;
  /** Why not, where that is known. */
  readonly unsealed?: UnsealedReason;
  readonly state: StoredRecipient["state"];
  readonly attempts: number;
  readonly last_reply?: string;
  /** Only while it is delivered, or waits in memory for its turn: the next hop. */
  readonly waits_at?: string;
  /** Only while scheduled. */
  readonly next_attempt_at?: string;
  readonly final_at?: string;
  readonly why: string;
  readonly next: string;
}

export interface Explanation {
  readonly message: ExplainedMessage;
  readonly recipients: readonly ExplainedRecipient[];
  readonly timeline: readonly TimelineEntry[];
}

/** Where a claimed recipient is in memory. */
export type Whereabouts =
  | { readonly kind: "under-way"; readonly at: string }
  /** Why it may not begin yet, and until when, where that is known. */
  | { readonly kind: "turn"; readonly at: string; readonly reason: string; readonly until?: Instant };

export interface ExplainOptions {
  readonly now: Instant;
  /** The `queue.expire` in force, in milliseconds. */
  readonly expireMs: number;
  /** Absent, or undefined: nobody knows. */
  readonly whereabouts?: (message: string, index: number) => Whereabouts | undefined;
}

/** undefined: no message of this id is known (never accepted here, or its history's time has ended). */
export async function explain(
  spool: Pick<Spool, "message" | "events">,
  id: string,
  options: ExplainOptions,
): Promise<Explanation | undefined> {
  const found = await spool.message(id);
  if (found === undefined) return undefined;
  const events = await spool.events(id);
  return {
    message: explainedMessage(found.message, options),
    recipients: found.recipients.map((recipient) => explainedRecipient(found.message, recipient, events, options)),
    timeline: timeline(events),
  };
}

/** What a list has room for: why a recipient is where it is, and until when it waits. */
export interface Wait {
  /** A sentence. */
  readonly why: string;
  /** The next hop, where it is delivered or waits in memory for its turn. */
  readonly at?: string;
  /** When it is due, or what keeps it back ends. */
  readonly until?: Instant;
}

/** The same words as {@link explain}. */
export function waitOf(message: StoredMessage, recipient: StoredRecipient, options: ExplainOptions): Wait {
  const { state, index, due } = recipient;
  const place = state === "claimed" ? options.whereabouts?.(message.id, index) : undefined;
  const until = state === "scheduled" ? due : place?.kind === "turn" ? place.until : undefined;
  return {
    why: why(message, recipient, options, place),
    ...(place !== undefined && { at: place.at }),
    ...(until !== undefined && { until }),
  };
}

function explainedMessage(message: StoredMessage, { expireMs }: ExplainOptions): ExplainedMessage {
  const { origin, facts } = message;
  return {
    id: message.id,
    received_at: isoTime(message.receivedAt),
    from: message.reversePath,
    size: message.size,
    ...(facts.subject !== undefined && { subject: facts.subject }),
    ...(facts.messageId !== undefined && { message_id: facts.messageId }),
    listener: origin.listener,
    protocol: origin.protocol,
    ...(origin.clientAddress !== undefined && { client: origin.clientAddress }),
    ...(origin.hello !== undefined && { hello: origin.hello }),
    ...(origin.login !== undefined && { login: origin.login }),
    ...(origin.signedIn !== undefined && { signed_in_by: signInWords(origin.signedIn) }),
    ...(origin.relayKey !== undefined && { relay_key: origin.relayKey }),
    ...(origin.tls !== undefined && { tls: `${origin.tls.protocol} ${origin.tls.cipher}` }),
    ...(message.reportOn !== undefined && { report_on: message.reportOn }),
    expires_at: isoTime(message.receivedAt + expireMs),
  };
}

function explainedRecipient(
  message: StoredMessage,
  recipient: StoredRecipient,
  events: readonly HistoryEvent[],
  options: ExplainOptions,
): ExplainedRecipient {
  const { address, acceptedAs, state, attempts, lastReply, due, finalAt } = recipient;
  const place = state === "claimed" ? options.whereabouts?.(message.id, recipient.index) : undefined;
  return {
    address,
    ...(acceptedAs !== undefined && { accepted_as: acceptedAs }),
    ...acceptanceOf(recipient, events),
    ...forwardingOf(message, recipient, events),
    state,
    attempts,
    ...(lastReply !== undefined && lastReply !== "" && { last_reply: lastReply }),
    ...(place !== undefined && { waits_at: place.at }),
    ...(state === "scheduled" && { next_attempt_at: isoTime(due) }),
    ...(finalAt !== undefined && { final_at: isoTime(finalAt) }),
    why: why(message, recipient, options, place),
    next: next(message, recipient, options, place),
  };
}

function acceptanceOf(
  { address, acceptedAs }: StoredRecipient,
  events: readonly HistoryEvent[],
): Pick<ExplainedRecipient, "accepted"> {
  const { decisions = [] } = events.find((event) => event.kind === "message-accepted") ?? {};
  const decision = decisions.find((one) => one.address === (acceptedAs ?? address));
  if (decision === undefined) return {};
  const { reason, rule, setting, settingAt } = decision;
  return {
    accepted: {
      reason,
      ...(rule !== undefined && { rule }),
      ...(setting !== undefined && { setting }),
      ...(settingAt !== undefined && { setting_at: settingAt }),
    },
  };
}

function forwardingOf(
  { forwarded }: StoredMessage,
  recipient: StoredRecipient,
  events: readonly HistoryEvent[],
): Pick<ExplainedRecipient, "forwarded_from" | "sealed" | "unsealed"> {
  if (recipient.forwarded !== true || forwarded === undefined) return {};
  const accepted = events.find((event) => event.kind === "message-accepted");
  return {
    forwarded_from: forwarded.reversePath,
    sealed: /^ARC-Seal:/im.test(forwarded.headerBlock),
    ...(accepted?.unsealed !== undefined && { unsealed: accepted.unsealed }),
  };
}

function why(
  { junk }: StoredMessage,
  { state, attempts, lastReply, held, due }: StoredRecipient,
  { now }: ExplainOptions,
  place: Whereabouts | undefined,
): string {
  const reply = lastReply === undefined || lastReply === "" ? "without a word" : quoted(lastReply);
  switch (state) {
    case "scheduled":
      if (attempts > 0) return ended(`Attempt ${attempts} was deferred: ${reply}`);
      if (lastReply !== undefined && lastReply !== "") return ended(`It was deferred: ${reply}`);
      return due > now ? "It is not to be tried before its time." : "It has not been tried yet.";
    case "claimed":
      return whyClaimed(attempts, place);
    case "held":
      return held === undefined ? "It is held." : ended(`It is held by ${plain(held.by)}: ${plain(held.reason)}`);
    case "delivered":
      return ended(`It is in the mailbox${junk ? ", marked as Junk" : ""}: ${reply}`);
    case "relayed":
      return ended(`Another server accepted it: ${reply}`);
    case "failed":
      return ended(`It failed permanently: ${reply}`);
    case "expired":
      return ended(`It could not be delivered in time: ${reply}`);
    case "removed":
      return "A person removed it from the queue.";
    default:
      return state satisfies never;
  }
}

function whyClaimed(attempts: number, place: Whereabouts | undefined): string {
  if (place === undefined) return `Attempt ${attempts} is in progress, or waits for its route or for its turn.`;
  if (place.kind === "under-way") return `Attempt ${attempts} is in progress: ${plain(place.at)}.`;
  return ended(`It waits in memory for its turn at ${plain(place.at)}: ${plain(place.reason)}`);
}

function next(
  message: StoredMessage,
  recipient: StoredRecipient,
  { now, expireMs }: ExplainOptions,
  place: Whereabouts | undefined,
): string {
  const { state, due, attempts } = recipient;
  const expiry = timeWords(message.receivedAt + expireMs);
  switch (state) {
    case "scheduled":
      if (due <= now) return `It is due, and tried as soon as there is room; at ${expiry} it goes before all others.`;
      return `Attempt ${attempts + 1} at ${timeWords(due)}, in ${durationWords(due - now)}. Given up at ${expiry} if it still fails.`;
    case "claimed":
      return place?.kind === "turn"
        ? `It begins when its turn comes; at ${expiry} it goes before all others, and is given up an hour later.`
        : "Its outcome decides.";
    case "held":
      return `It is on hold until an operator releases it: "posthaste queue release ${message.id}" delivers it, "remove" deletes it.`;
    case "failed":
    case "expired":
      return message.reversePath === ""
        ? "Nothing. The message has no reverse-path, so no report can be sent."
        : "Nothing. The reports that the sender received are listed below.";
    case "delivered":
    case "relayed":
    case "removed":
      return "Nothing.";
    default:
      return state satisfies never;
  }
}
