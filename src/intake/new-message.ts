/** The message as it will be stored, with the fields of ours on top of it, and the first line of its history. */
import type { ContentRepair } from "../events/content-repair.ts";
import type { HistoryEvent } from "../events/history-event.ts";
import type { Instant } from "../lib/instant.ts";
import type { MessageFacts } from "../message/message-facts.ts";
import { makeReceived } from "../message/received-field.ts";
import { keysNamedIn } from "../signing/message-signing.ts";
import type { SenderVerdict } from "../policy/authentication/sender-verdict.ts";
import { type Change, lastChange } from "../policy/stage.ts";
import type { QueueId } from "../spool/queue-id.ts";
import type { NewMessage, NewRecipient, StrangersPath } from "../spool/spool.ts";
import type { ContentAdditions } from "./content-checks.ts";
import { type Envelope, notifyWithoutSuccess } from "./envelope.ts";
import type { Origin } from "./origin.ts";
import { authenticationNote } from "./verdict-notes.ts";

/** What mail filters and other servers' rules know, so that they can file the message as we do. */
const junkField = "X-Spam-Flag: YES\r\n";

export type AcceptedEvent = Extract<HistoryEvent, { readonly kind: "message-accepted" }>;

/** What was found in the content. */
export interface ReadContent {
  readonly facts: MessageFacts;
  readonly repairs: readonly ContentRepair[];
}

export interface NewMessageParts {
  readonly id: QueueId;
  readonly origin: Origin;
  readonly envelope: Envelope;
  readonly hostname: string;
  readonly at: Instant;
  readonly content: ReadContent;
  readonly additions: ContentAdditions;
}

export function newMessage(parts: NewMessageParts): { readonly message: NewMessage; readonly event: AcceptedEvent } {
  const { id, origin, envelope, hostname, at: receivedAt } = parts;
  const { facts, repairs } = parts.content;
  const { parameters, accepted } = envelope;
  const reversePath = envelope.reversePathText;
  const { clientAddress = "", protocol, login, signedIn } = origin.facts;
  const [only] = accepted;
  const { verdict, signatures, forwarded, changes = [] } = parts.additions;
  const letter = origin.trust === "ourselves" ? origin.letter : undefined;
  const received = makeReceived({
    ...(letter === undefined && origin.facts),
    byHost: hostname,
    id,
    // RFC 5321 §7.2: several recipients must not learn of each other.
    ...(accepted.length === 1 && only !== undefined && { recipient: only.address }),
    at: receivedAt,
  });
  // What we found stands above our own Received field; a signature above all.
  const found = changes.map((change) => (change.kind === "add-field" ? change.field : "")).join("");
  const junk = lastChange(changes, "quarantine") !== undefined;
  const held = lastChange(changes, "hold");
  const headerBlock = `${signatures}${found}${junk ? junkField : ""}${received}`;
  const stranger = origin.trust === "stranger" ? strangersPath(reversePath, verdict) : undefined;
  // Strangers name whom they like: success is worth no mail to someone who may not have sent this.
  const unasked = stranger === "forged" || (stranger !== undefined && junk);
  const recipients = unasked ? envelope.recipients.map(withoutSuccess) : envelope.recipients;
  const message: NewMessage = {
    id,
    receivedAt,
    reversePath,
    origin: origin.facts,
    body: parameters.body ?? "7BIT",
    smtpUtf8: parameters.smtpUtf8 === true,
    ...(parameters.ret !== undefined && { ret: parameters.ret }),
    ...(parameters.envelopeId !== undefined && { envelopeId: parameters.envelopeId }),
    ...(parameters.requireTls === true && { requireTls: true }),
    facts,
    headerBlock,
    ...(junk && { junk }),
    ...(stranger !== undefined && { stranger }),
    ...(letter?.reportOn !== undefined && { reportOn: letter.reportOn }),
    ...(letter?.traceparent !== undefined && { traceparent: letter.traceparent }),
    ...(forwarded !== undefined && { forwarded: forwarded.form }),
    recipients: held === undefined ? recipients : recipients.map((recipient) => ({ ...recipient, held: holdOf(held) })),
  };
  const event: AcceptedEvent = {
    kind: "message-accepted",
    at: receivedAt,
    message: id,
    from: reversePath,
    recipients: (letter === undefined ? accepted : envelope.recipients).map(({ address }) => address),
    size: 0,
    client: clientAddress,
    protocol,
    ...(login !== undefined && { login }),
    ...(signedIn !== undefined && { signedIn }),
    ...(facts.subject !== undefined && { subject: facts.subject }),
    ...(letter === undefined && { decisions: accepted }),
    ...(verdict !== undefined && { authentication: authenticationNote(verdict) }),
    ...(parameters.requireTls === true && { requireTls: true }),
    ...(signatures !== "" && { signedWith: keysNamedIn(signatures) }),
    ...(forwarded?.unsealed !== undefined && { unsealed: forwarded.unsealed }),
    ...(repairs.length !== 0 && { repairs }),
  };
  return { message, event };
}

/** For each recipient that is on hold from the beginning: by whom, and why. */
export function heldEvents({ id, recipients }: NewMessage, at: Instant): readonly HistoryEvent[] {
  return recipients.flatMap(({ held, address }, recipient): readonly HistoryEvent[] =>
    held === undefined ? [] : [{ kind: "recipient-held", at, message: id, recipient, address, ...held }],
  );
}

function holdOf({ by, reason }: Extract<Change, { readonly kind: "hold" }>): NewRecipient["held"] & {} {
  return { by, reason };
}

function strangersPath(reversePath: string, verdict: SenderVerdict | undefined): StrangersPath {
  if (verdict === undefined) return "unknown";
  if (verdict.spf.result === "fail") return "forged";
  const { result } = reversePath === "" ? verdict.dmarc : verdict.spf;
  return result === "pass" ? "verified" : "unknown";
}

function withoutSuccess({ notify, ...recipient }: NewRecipient): NewRecipient {
  const left = notifyWithoutSuccess(notify);
  return left === undefined ? recipient : { ...recipient, notify: left };
}
