/**
 * A client that sends messages to one server: a submission server, a relay, or a test inbox. The conversation is that of the
 * server's own deliveries, with its rules: a password goes only over verified TLS, to loopback, or nowhere.
 */
import { isAscii } from "node:buffer";
import { formatMailbox, parseMailbox } from "../address/mailbox-text.ts";
import { needsSmtpUtf8 } from "../address/mailbox-grammar.ts";
import { resolveTargets } from "../cli/send/resolve-target.ts";
import { ClockSteps } from "../lib/clock-steps.ts";
import { errorText } from "../lib/error-text.ts";
import { isLoopback } from "../lib/ip-network.ts";
import { type Attachment, describesBody, makeMessage, unstructuredField, withCrlf } from "../message/make-message.ts";
import { NodeFiles } from "../node/files/node-files.ts";
import { NodeNetwork } from "../node/network/node-network.ts";
import { SystemClock } from "../node/process/system-clock.ts";
import { SystemRandom } from "../node/process/system-random.ts";
import { addressText, setUpConnection } from "../outbound/connection-setup.ts";
import type { MessageNeeds } from "../outbound/delivery-needs.ts";
import type { Setback } from "../outbound/delivery-verdict.ts";
import { SendableForms } from "../outbound/sendable-form.ts";
import type { SmtpClientConnection } from "../outbound/smtp-client-connection.ts";
import { silentLog } from "../ports/log.ts";
import type { TlsDecision } from "../route/next-hop.ts";
import type { TlsLevel } from "../route/static-route.ts";
import { demandOf } from "../route/tls-policy.ts";
import { nodeResolver } from "../server/plan/node-ports.ts";
import type { ClientFailure } from "../smtp/client/failure.ts";
import { failureText } from "../smtp/client/failure.ts";
import { standardTimeouts } from "../smtp/client/timeouts.ts";
import type { RecipientResult } from "../smtp/client/recipient-results.ts";
import { type ReceivedReply, replyText } from "../smtp/reply-reader.ts";

export type { Attachment };

export interface SmtpClientOptions {
  /** A name or an IP address. */
  readonly host: string;
  /** Default: 587, submission (RFC 6409). With 465, TLS begins with the first octet (RFC 8314 §3.3). */
  readonly port?: number;
  readonly auth?: { readonly username: string; readonly password: string };
  /** Default: `verified` where there is a login and the host is not loopback, else `opportunistic`. */
  readonly tls?: TlsLevel;
  /** Authorities that are trusted besides the usual ones; PEM. */
  readonly certificateAuthorities?: readonly string[];
  /** What EHLO says (RFC 5321 §4.1.1.1). Default: localhost. */
  readonly heloName?: string;
  /** For connecting and for each reply, in milliseconds. Default: 30,000; the end of a message has 10 minutes. */
  readonly timeoutMs?: number;
}

export interface OutgoingMail {
  /** The reverse-path; "" is the null one. */
  readonly from: string;
  readonly to: string | readonly string[];
  readonly subject?: string;
  readonly text?: string;
  /**
   * Further fields. One named as a field that is made (From, To, Subject, Date, Message-ID) replaces it; those of the body
   * (MIME-Version, Content-Type, Content-Transfer-Encoding) cannot be given. Text beyond ASCII becomes encoded words (RFC 2047).
   */
  readonly headers?: Readonly<Record<string, string>>;
  readonly attachments?: readonly Attachment[];
  /** A whole message instead (RFC 5322); line ends become CRLF. */
  readonly raw?: Uint8Array | string;
}

export interface RefusedRecipient {
  readonly address: string;
  /** 400 to 499: temporary. 500 to 599: permanent. */
  readonly code: number;
  readonly reply: string;
}

export interface Delivery {
  /** At least one. */
  readonly accepted: readonly string[];
  readonly refused: readonly RefusedRecipient[];
  /** What the server said to the message in the end, often with its queue id. */
  readonly reply: string;
}

/** No recipient is known to have got the message: no connection, no TLS as asked, no login, or every recipient was refused. */
export class SendError extends Error {
  override readonly name = "SendError";
  /** Sending again later may help (4yz, or no answer). */
  readonly isTemporary: boolean;
  /** Of the reply that ended the session, if one did; what was said to a recipient is in `refused`. */
  readonly replyCode: number | undefined;
  readonly refused: readonly RefusedRecipient[];
  /** The whole message had left when the connection broke: it may have arrived (RFC 5321 §4.5.3.2.6). */
  readonly mayHaveArrived: boolean;

  constructor(
    message: string,
    facts: {
      isTemporary: boolean;
      replyCode?: number | undefined;
      refused?: readonly RefusedRecipient[];
      mayHaveArrived?: boolean;
    },
  ) {
    super(message);
    this.isTemporary = facts.isTemporary;
    this.replyCode = facts.replyCode;
    this.refused = facts.refused ?? [];
    this.mayHaveArrived = facts.mayHaveArrived ?? false;
  }
}

/** Connects, sends one message, and says QUIT. Rejects with {@link SendError}. */
export async function sendMail(server: SmtpClientOptions, mail: OutgoingMail): Promise<Delivery> {
  await using client = new SmtpClient(server);
  return await client.send(mail);
}

/** Keeps one connection for several messages, and makes another when it is gone. */
export class SmtpClient implements AsyncDisposable {
  readonly #options: SmtpClientOptions;
  readonly #clock = new SystemClock();
  readonly #random = new SystemRandom();
  readonly #network = new NodeNetwork();
  readonly #steps = new ClockSteps(this.#clock);
  #connection: SmtpClientConnection | undefined;
  /** One message after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: SmtpClientOptions) {
    this.#options = options;
  }

  /** Rejects with {@link SendError} unless one recipient at least was accepted; with TypeError for an invalid address. */
  send(mail: OutgoingMail): Promise<Delivery> {
    const sent = this.#turn.then(() => this.#send(mail));
    this.#turn = sent.catch(() => undefined);
    return sent;
  }

  /** Says QUIT once what was asked for is done. */
  close(): Promise<void> {
    const closed = this.#turn.then(async () => {
      const connection = this.#connection;
      this.#connection = undefined;
      await connection?.quit();
    });
    this.#turn = closed.catch(() => undefined);
    return closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #send(mail: OutgoingMail): Promise<Delivery> {
    const mailboxes = (typeof mail.to === "string" ? [mail.to] : mail.to).map(mailboxOf);
    if (mailboxes.length === 0) throw new TypeError("the message has no recipient");
    const sender = mail.from === "" ? undefined : mailboxOf(mail.from);
    const to = mailboxes.map(formatMailbox);
    const from = sender === undefined ? "" : formatMailbox(sender);
    const bytes = this.#contentOf(mail, from, to);
    const connection = (this.#connection = this.#connection?.usable ? this.#connection : await this.#connect());
    const needs: MessageNeeds = {
      body: isAscii(bytes) ? "7BIT" : "8BITMIME",
      smtpUtf8: [...mailboxes, ...(sender ? [sender] : [])].some((mailbox) => needsSmtpUtf8(mailbox)),
      size: bytes.length,
    };
    const { body, parts } = await this.#formFor(connection, needs, bytes);
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    const recipients = to.map((address) => ({ address }));
    const results = await connection.transact({
      envelope: { reversePath: from, recipients, body, smtpUtf8: needs.smtpUtf8, size },
      content: { kind: "whole", parts },
    });
    return deliveryOf(to, results);
  }

  /** In 7 bits where the server lacks 8BITMIME, as deliveries do it. */
  async #formFor(connection: SmtpClientConnection, needs: MessageNeeds, bytes: Buffer) {
    const content = {
      size: bytes.length,
      chunks: async function* () {
        yield bytes;
      },
      [Symbol.asyncDispose]: async () => {},
    };
    const original = { headerBlock: Buffer.alloc(0), body: needs.body, openContent: async () => content };
    const forms = new SendableForms(original, { needs, mayConvert: true, signing: undefined });
    const peer = { host: this.#options.host, address: addressText(connection.remote), tls: connection.tls };
    const result = await forms.formFor(connection.capabilities, peer);
    if (result.kind === "lack") throw new SendError(result.lack.reason, { isTemporary: false });
    await using opened = await result.form.openContent();
    return { body: result.form.body, parts: await Array.fromAsync(opened.chunks()) };
  }

  #contentOf(mail: OutgoingMail, from: string, to: readonly string[]): Buffer {
    if (mail.raw !== undefined) return withCrlf(Buffer.from(mail.raw));
    const { subject = "", text = "", headers = {}, attachments = [] } = mail;
    const extra = Object.entries(headers).map(([name, value]) => fieldOf(name, value));
    const plan = { from, to, heloName: this.#options.heloName ?? "localhost" };
    return makeMessage({ subject, text, extra, attachments }, plan, {
      at: this.#clock.now(),
      random: this.#random,
    });
  }

  /** The host's addresses one after the other, until one of them takes us. */
  async #connect(): Promise<SmtpClientConnection> {
    const { host, port = 587, timeoutMs = 30_000, auth, certificateAuthorities } = this.#options;
    const targets = await this.#targets(host, port);
    let setback: Setback | undefined;
    for (const { endpoint, name } of targets) {
      const local = endpoint.kind === "unix" || isLoopback(endpoint.address);
      const result = await setUpConnection(
        {
          ...{ dialect: "smtp", site: host, host: name, endpoint, implicitTls: port === 465, certificateAuthorities },
          tls: tlsOf(this.#options, name, local),
          credentials: auth,
        },
        {
          ...{
            network: this.#network,
            clock: this.#clock,
            random: this.#random,
            clockSteps: this.#steps,
            log: silentLog,
            message: "",
          },
          ...{ settings: settingsOf(this.#options.heloName ?? "localhost", timeoutMs), mayUseHelo: true },
          signal: new AbortController().signal,
          leave: (connection) => void connection.quit(),
        },
      );
      if (result.kind === "ready") return result.connection;
      setback = result.setback;
      if (!result.tryNext) break;
    }
    if (setback === undefined) throw new SendError(`${host} has no address`, { isTemporary: true });
    const replyCode = setback.diagnostic?.code;
    throw new SendError(setback.reason, { isTemporary: !isFinal(setback), replyCode });
  }

  async #targets(host: string, port: number) {
    const ports = { log: silentLog, clock: this.#clock, random: this.#random, files: new NodeFiles() };
    try {
      const resolver = await nodeResolver({}, ports);
      return await resolveTargets({ server: { host, port }, to: [] }, { resolver: () => resolver });
    } catch (error) {
      throw new SendError(errorText(error), { isTemporary: true });
    }
  }
}

function mailboxOf(text: string) {
  const mailbox = parseMailbox(text);
  if (mailbox === undefined) throw new TypeError(`${JSON.stringify(text)} is not an address such as ann@example.org`);
  return mailbox;
}

/** Fields with a syntax of their own (RFC 5322 §3.6), where an encoded word may not stand just anywhere (RFC 2047 §5). */
const structured =
  /^(?:(?:resent-)?(?:from|sender|to|cc|bcc|reply-to|date|message-id)|in-reply-to|references|received|return-path|(?:content|list)-.*)$/i;

function fieldOf(name: string, value: string): string {
  const shown = JSON.stringify(name);
  if (!/^[\x21-\x39\x3b-\x7e]+$/.test(name) || /[\r\n]/.test(value))
    throw new TypeError(`${shown} is not a valid field name, or its value has a line break`);
  if (describesBody(name))
    throw new TypeError(`${shown} cannot be given: it follows from text and attachments; use raw to write it yourself`);
  if (!/[^\0-\x7f]/.test(value)) return `${name}: ${value}`;
  if (structured.test(name))
    throw new TypeError(`the value of ${shown} is not ASCII: write names in it as encoded words (RFC 2047)`);
  return unstructuredField(name, value);
}

function tlsOf({ tls, auth }: SmtpClientOptions, name: string, local: boolean): TlsDecision {
  if (tls !== undefined) return { demand: demandOf(tls, name), reason: { rule: "caller", setting: "tls" } };
  if (auth === undefined || local) return { demand: { kind: "opportunistic" }, reason: { rule: "default" } };
  return { demand: demandOf("verified", name), reason: { rule: "login", setting: "auth" } };
}

/** Deliveries wait where our settings are at fault, as they can be mended; here they are the caller's, who must hear of it. */
function isFinal({ kind, status, owner, diagnostic }: Setback): boolean {
  if (diagnostic?.code !== undefined) return diagnostic.code >= 500;
  const tlsIsNotOffered = status === "4.7.4";
  return kind === "bounced" || owner === "our-authentication" || tlsIsNotOffered;
}

function isFinalFailure(failure: ClientFailure): boolean {
  return failure.kind === "refused" ? failure.reply.code >= 500 : failure.kind === "bare-line-end";
}

function settingsOf(heloName: string, ms: number) {
  const { dataBlockMs, dataTerminationMs, quitMs, transactionMs } = standardTimeouts;
  const untilContent = { greetingMs: ms, helloMs: ms, startTlsMs: ms, authenticationMs: ms, mailMs: ms };
  return {
    ...{ heloName, bindAddresses: [], keepIdleMs: 0, messagesPerConnection: Number.POSITIVE_INFINITY },
    ...{ addressesPerAttempt: 1, connectTimeoutMs: ms, tlsTimeoutMs: ms, refusalPatienceMs: 0 },
    timeouts: {
      ...untilContent,
      ...{ recipientMs: ms, dataInitiationMs: ms, dataBlockMs, dataTerminationMs, quitMs, transactionMs },
    },
  };
}

function deliveryOf(to: readonly string[], results: readonly RecipientResult[]): Delivery {
  const accepted: string[] = [];
  const refused: RefusedRecipient[] = [];
  let broken: Extract<RecipientResult, { readonly kind: "broken" }> | undefined;
  let last: ReceivedReply | undefined;
  for (const [index, result] of results.entries()) {
    const address = to[index] ?? "";
    if (result.kind === "broken") {
      broken ??= result;
    } else if (result.kind === "accepted") {
      accepted.push(address);
      last = result.reply;
    } else {
      refused.push({ address, code: result.reply.code, reply: replyText(result.reply) });
    }
  }
  if (last !== undefined) return { accepted, refused, reply: replyText(last) };
  if (broken !== undefined) {
    const { failure, contentSent: mayHaveArrived } = broken;
    const replyCode = failure.kind === "refused" ? failure.reply.code : undefined;
    const isTemporary = !isFinalFailure(failure);
    throw new SendError(failureText(failure), { isTemporary, replyCode, refused, mayHaveArrived });
  }
  const said = refused.map(({ address, reply }) => `${address}: ${reply}`).join("; ");
  throw new SendError(`every recipient was refused: ${said}`, {
    isTemporary: refused.every(({ code }) => code < 500),
    refused,
  });
}
