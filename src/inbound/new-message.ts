/** The message as it will be stored, with the fields of ours on top of it, and the first line of its history. */
import type { ContentRepair } from "../events/content-repair.ts";
import type { HistoryEvent } from "../events/history-event.ts";
import type { MessageFacts } from "../message/message-facts.ts";
import { makeReceived } from "../message/received-field.ts";
import { keysNamedIn } from "../signing/message-signing.ts";
import type { SenderVerdict } from "../policy/authentication/sender-verdict.ts";
import type { QueueId } from "../spool/queue-id.ts";
import type { NewMessage, NewRecipient, StrangersPath } from "../spool/spool.ts";
import { type ContentAdditions, isStranger } from "./content-checks.ts";
import type { Hello, SessionState } from "./session-state.ts";
import { notifyWithoutSuccess, type Transaction } from "./transaction.ts";
import { authenticationNote } from "./verdict-notes.ts";

/** What mail filters and other servers' rules know, so that they can file the message as we do. */
const junkField = "X-Spam-Flag: YES\r\n";

export type AcceptedEvent = Extract<HistoryEvent, { readonly kind: "message-accepted" }>;

/** What was found in the content. */
export interface ReadContent {
  readonly facts: MessageFacts;
  readonly repairs: readonly ContentRepair[];
}

export function newMessage(
  state: SessionState,
  id: QueueId,
  transaction: Transaction,
  { facts, repairs }: ReadContent,
  additions: ContentAdditions = { signatures: "" },
): { readonly message: NewMessage; readonly event: AcceptedEvent } {
  const { client, hello, channel, settings, listener } = state;
  const { parameters, accepted } = transaction;
  const { tls } = channel;
  const receivedAt = state.services.clock.now();
  const reversePath = transaction.reversePathText;
  const protocol = protocolKeyword({
    hello,
    tls: tls !== undefined,
    login: client.login !== undefined,
    smtpUtf8: parameters.smtpUtf8 === true,
  });
  const clientFacts = {
    ...(client.address === "" ? undefined : { clientAddress: client.address }),
    ...(hello === undefined ? undefined : { hello: hello.name }),
    ...(tls === undefined ? undefined : { tls: { protocol: tls.protocol, cipher: tls.cipher } }),
  };
  const [only] = accepted;
  const { verdict, signatures, forwarded } = additions;
  const received = makeReceived({
    ...clientFacts,
    byHost: settings.hostname,
    protocol,
    id,
    // RFC 5321 §7.2: several recipients must not learn of each other.
    ...(accepted.length === 1 && only !== undefined ? { recipient: only.address } : undefined),
    at: receivedAt,
  });
  // RFC 8601 §4.1, RFC 7208 §9.1: what we found stands above our own Received field; a signature above all.
  const found = verdict === undefined ? "" : `${verdict.field}${verdict.receivedSpf ?? ""}`;
  const junk = verdict?.disposition === "junk";
  const headerBlock = `${signatures}${found}${junk ? junkField : ""}${received}`;
  const stranger = isStranger(state) ? strangersPath(reversePath, verdict) : undefined;
  // Strangers name whom they like: success is worth no mail to somebody who may not have sent this.
  const unasked = stranger === "forged" || (stranger !== undefined && junk);
  const login = client.login === undefined ? undefined : { login: client.login };
  const message: NewMessage = {
    id,
    receivedAt,
    reversePath,
    origin: { listener: listener.kind, ...clientFacts, protocol, ...login },
    body: parameters.body ?? "7BIT",
    smtpUtf8: parameters.smtpUtf8 === true,
    ...(parameters.ret === undefined ? undefined : { ret: parameters.ret }),
    ...(parameters.envelopeId === undefined ? undefined : { envelopeId: parameters.envelopeId }),
    facts,
    headerBlock,
    ...(junk ? { junk } : undefined),
    ...(stranger === undefined ? undefined : { stranger }),
    ...(forwarded === undefined ? undefined : { forwarded: forwarded.form }),
    recipients: unasked ? transaction.recipients.map(withoutSuccess) : transaction.recipients,
  };
  const event: AcceptedEvent = {
    kind: "message-accepted",
    at: receivedAt,
    message: id,
    from: reversePath,
    recipients: accepted.map(({ address }) => address),
    size: 0,
    client: client.address,
    protocol,
    ...login,
    ...(facts.subject === undefined ? undefined : { subject: facts.subject }),
    decisions: accepted,
    ...(verdict === undefined ? undefined : { authentication: authenticationNote(verdict) }),
    ...(signatures === "" ? undefined : { signedWith: keysNamedIn(signatures) }),
    ...(forwarded?.unsealed === undefined ? undefined : { unsealed: forwarded.unsealed }),
    ...(repairs.length === 0 ? undefined : { repairs }),
  };
  return { message, event };
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

/** The `with` clause: RFC 3848, RFC 6531 §3.7.3; HELO knows no extension, so plain SMTP says it all. */
export function protocolKeyword(session: {
  readonly hello: Hello | undefined;
  readonly tls: boolean;
  readonly login: boolean;
  readonly smtpUtf8: boolean;
}): string {
  const { hello, tls, login, smtpUtf8 } = session;
  if (hello === undefined || hello.verb === "HELO") return "SMTP";
  const lmtp = hello.verb === "LHLO";
  const base = lmtp ? (smtpUtf8 ? "UTF8LMTP" : "LMTP") : smtpUtf8 ? "UTF8SMTP" : "ESMTP";
  return `${base}${tls ? "S" : ""}${login ? "A" : ""}`;
}
