/**
 * A test inbox in this process: the production server with the network captured, on a port of loopback that the system
 * gives, over a temporary folder that goes with it. Every login and every recipient is accepted, nothing leaves.
 */
import type { Inbox, InboxMessage } from "../admin/inbox.ts";
import { developmentSettings } from "../config/development-settings.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import { temporaryFolder } from "../node/files/temporary-folder.ts";
import { silentLog } from "../ports/log.ts";
import { createServer } from "../server/create-server.ts";
import { nodePorts } from "../server/plan/node-ports.ts";
import type { CapturedFilter } from "../spool/captured-mail.ts";
import { refusalStages, type TestRefusal } from "./test-refusals.ts";

/** As `node:test` gives a whole test no limit, one wait has a short one. */
const defaultTimeoutMs = 5_000;
/** Entries that are looked at together. */
const pageSize = 200;

/** A captured message: envelope, header, text, HTML, links, one-time codes, attachments. */
export interface TestMail extends InboxMessage {
  /** The value of the first field of this name, unfolded; letter case makes no difference (RFC 5322 §2.2). */
  header(name: string): string | undefined;
  /** The message in octets, as it would have gone out. */
  raw(): Promise<Uint8Array>;
  /** Content of number `index` in `attachments`. Rejects where there is none. */
  attachment(index: number): Promise<Uint8Array>;
}

/** Every part given must match. Text is compared whole and without letter case; addresses as addresses. */
export interface MailFilter {
  /** A recipient of the envelope. */
  readonly to?: string;
  /** The reverse-path, or an address of the From field. */
  readonly from?: string;
  readonly subject?: string | RegExp;
  /** Whatever else has to hold. */
  readonly where?: (mail: TestMail) => boolean;
}

export interface WaitOptions {
  /** Milliseconds. Default: 5,000. */
  readonly timeoutMs?: number;
  /** Only what arrived after this message. */
  readonly after?: TestMail;
}

/** No such message came in time. The message names what was waited for, and what came instead. */
export class MailTimeoutError extends Error {
  override readonly name = "MailTimeoutError";
}

export interface TestServerOptions {
  /** STARTTLS is offered, with a self-signed certificate. Default: no, since most clients refuse that certificate. */
  readonly startTls?: boolean;
  /** What it refuses, so that a test sees what its program makes of it. The first that fits counts. */
  readonly refusals?: readonly TestRefusal[];
}

/** Starts one. Rejects with `StartError`, and with a TypeError where one of the `refusals` makes no sense. */
export async function startTestServer({
  startTls = false,
  refusals = [],
}: TestServerOptions = {}): Promise<TestServer> {
  const stages = refusalStages(refusals);
  await using unfinished = new AsyncDisposableStack();
  const { path: dataDir } = unfinished.use(await temporaryFolder());
  const settings = developmentSettings({
    ...{ dataDir, hosts: ["127.0.0.1"], smtpPort: 0, httpPort: 0, tlsPort: undefined, hostnames: [] },
  });
  const onSpoolGone = (error: Error) => {
    throw error;
  };
  const ports = await nodePorts(settings, { log: silentLog, onSpoolGone });
  const { listeners, inbox, stop } = await createServer(
    { settings, mode: "development", startTls },
    { ...ports, stages },
  );
  const endpoint = listeners[0]?.endpoint;
  unfinished.defer(stop);
  if (endpoint?.kind !== "ip" || inbox === undefined) throw new Error("the test server does not listen");
  return new TestServer(inbox, endpoint, unfinished.move());
}

export class TestServer implements AsyncDisposable {
  /** Where it listens, as nodemailer's `createTransport` takes it. */
  readonly smtp: { readonly host: string; readonly port: number; readonly secure: false };
  readonly #inbox: Inbox;
  readonly #resources: AsyncDisposable;
  readonly #stopping = new AbortController();

  constructor(
    inbox: Inbox,
    { address: host, port }: { readonly address: string; readonly port: number },
    resources: AsyncDisposable,
  ) {
    this.smtp = { host, port, secure: false };
    this.#inbox = inbox;
    this.#resources = resources;
  }

  /** `smtp://127.0.0.1:40123` */
  get url(): string {
    return `smtp://${this.smtp.host}:${this.smtp.port}`;
  }

  /**
   * The newest message that matches, or else the next to arrive. Rejects with {@link MailTimeoutError}. A client that has its
   * 250 finds its message at once. {@link stop} makes it reject.
   */
  async waitFor(filter: MailFilter = {}, options: WaitOptions = {}): Promise<TestMail> {
    const { signal } = this.#stopping;
    try {
      return await this.#waitFor(filter, options, signal);
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    }
  }

  async #waitFor(
    filter: MailFilter,
    { timeoutMs = defaultTimeoutMs, after }: WaitOptions,
    signal: AbortSignal,
  ): Promise<TestMail> {
    const { list, matches } = compile(filter);
    const endMs = this.#inbox.now() + timeoutMs;
    let from = after?.id;
    for (;;) {
      const [newest] = (await this.#inbox.list(list, rangeAfter(from), 1)).messages;
      for await (const mail of this.#matching(list, rangeAfter(from))) if (matches(mail)) return mail;
      from = newest?.id ?? from;
      const left = Math.max(0, endMs - this.#inbox.now());
      const outcome = await this.#inbox.wait({ filter: list, ...rangeAfter(from), count: 1, timeoutMs: left, signal });
      if (outcome.kind === "busy") throw new Error("too many calls of waitFor wait at once");
      if (outcome.kind !== "found") throw new MailTimeoutError(await this.#inVain(filter, timeoutMs));
    }
  }

  /** All that match now, oldest first. */
  async messages(filter: MailFilter = {}): Promise<readonly TestMail[]> {
    const { list, matches } = compile(filter);
    const found: TestMail[] = [];
    for await (const mail of this.#matching(list, {})) if (matches(mail)) found.push(mail);
    return found.toReversed();
  }

  /** Deletes the messages to this recipient, or all of them. Resolves with their number. */
  clear(filter: Pick<MailFilter, "to"> = {}): Promise<number> {
    return this.#inbox.delete({ filter: compile(filter).list });
  }

  /** Ends sessions that are open, closes the port, removes the folder. Again: does nothing. */
  stop(): Promise<void> {
    return this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new Error("the test server has stopped"));
    await this.#resources[Symbol.asyncDispose]();
  }

  /** Newest first. */
  async *#matching(list: CapturedFilter, range: { readonly after?: string }): AsyncGenerator<TestMail> {
    let before: string | null | undefined;
    while (before !== null) {
      const page = await this.#inbox.list(list, { ...range, ...(before !== undefined && { before }) }, pageSize);
      for (const { id } of page.messages) {
        const message = await this.#inbox.get(id);
        if (message !== undefined) yield this.#mailOf(message);
      }
      before = page.next;
    }
  }

  #mailOf(message: InboxMessage): TestMail {
    const inbox = this.#inbox;
    const orGone = <T>(found: T | undefined, what: string): T => {
      if (found === undefined) throw new Error(`${what} is not there: ${message.id}`);
      return found;
    };
    return {
      ...message,
      header: (name) => message.headers.find((field) => asciiLowerCase(field.name) === asciiLowerCase(name))?.value,
      raw: async () => orGone(await inbox.raw(message.id), "the message"),
      attachment: async (index) => orGone(await inbox.attachment(message.id, index), "the attachment").content,
    };
  }

  async #inVain(filter: MailFilter, timeoutMs: number): Promise<string> {
    const { messages, total } = await this.#inbox.list({}, {}, 5);
    const { to, from, subject, where } = filter;
    const what = [
      "no message",
      ...(to === undefined ? [] : [`to ${to}`]),
      ...(from === undefined ? [] : [`from ${from || "<>"}`]),
      ...(subject === undefined ? [] : [`with subject ${String(subject)}`]),
      ...(where === undefined ? [] : ["that meets the condition"]),
    ].join(" ");
    const there = messages.map((mail) => `to ${mail.to.join(", ")}: ${JSON.stringify(mail.subject)}`).join("; ");
    return `${what} came within ${timeoutMs} ms; the inbox has ${total}${total === 0 ? "" : ` (newest: ${there})`}`;
  }
}

function rangeAfter(after: string | undefined): { readonly after?: string } {
  return after === undefined ? {} : { after };
}

/** What the list can look for, and what has to be looked at in each message. */
function compile({ subject, where, to, from }: MailFilter): {
  readonly list: CapturedFilter;
  readonly matches: (mail: TestMail) => boolean;
} {
  const list = {
    ...(to !== undefined && { to }),
    ...(from !== undefined && { from }),
    ...(typeof subject === "string" && { subject }),
  };
  const matches = (mail: TestMail) =>
    (!(subject instanceof RegExp) || mail.subject.search(subject) !== -1) && (where?.(mail) ?? true);
  return { list, matches };
}
