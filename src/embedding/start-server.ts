/** A whole server inside a program: `startServer(settings)`, and a handler for the mail that it receives. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { PasswordSource } from "../accounts/password-source.ts";
import { type ReadableContent, readContent } from "../admin/readable-content.ts";
import type { ReloadResult, RunningServer } from "../cli/running-server.ts";
import { checkSettings, loadSettings } from "../config/load-settings.ts";
import type { Settings, SettingsInput } from "../config/settings-schema.ts";
import { NodeFiles } from "../node/files/node-files.ts";
import { ReadableLog } from "../node/log/readable-log.ts";
import { SystemClock } from "../node/process/system-clock.ts";
import type { Program, ProgramAnswer } from "../outbound/program-delivery.ts";
import type { Log } from "../ports/log.ts";
import type { DeliveryJob } from "../queue/delivery-agent.ts";
import { createServer } from "../server/create-server.ts";
import { nodePorts } from "../server/plan/node-ports.ts";
import type { EnhancedStatus } from "../smtp/enhanced-status.ts";
import type { MessageOrigin } from "../spool/spool.ts";

/** Handlers that take longer are given up; the message is tried again. */
const handlerTimeoutMs = 600_000;

/** A message that the server has accepted and stored. */
export interface ReceivedMessage {
  /** The queue id, as the client heard it with its 250. It is the same each time the message is handed over. */
  readonly id: string;
  /** The envelope (RFC 5321 §2.3.1). `from` is "" for reports of failed deliveries. */
  readonly envelope: { readonly from: string; readonly to: readonly string[] };
  /** When it was received: milliseconds since 1970. */
  readonly receivedAt: number;
  /** Who brought it: listener, client address, login, TLS. */
  readonly origin: MessageOrigin;
  /** In a Maildir it would go to Junk: DMARC (RFC 9989) or another policy quarantined it. */
  readonly isJunk: boolean;
  /** The handler is called for the first time (1), the second (2), … */
  readonly attempt: number;
  /** Aborts when nobody waits for the handler any more. */
  readonly signal: AbortSignal;
  /**
   * The message in octets, as it arrived, under the fields that this server put on top. Rejects when the spool cannot read
   * the message, or no longer has it.
   */
  raw(): Promise<Uint8Array>;
  /** Header, text, HTML, attachments, links and one-time codes. Rejects where {@link raw} does. */
  parsed(): Promise<ReadableContent>;
}

/**
 * Nothing: the program has taken the message. {@link refuse} and {@link defer} make the other answers. What is thrown
 * defers, too.
 */
export type HandlerAnswer = void | ProgramAnswer;
export type MessageHandler = (message: ReceivedMessage) => HandlerAnswer | Promise<HandlerAnswer>;

/** The message is not wanted: its sender gets a report with `reason` (RFC 3464). `status`: RFC 3463. */
export function refuse(reason: string, status: EnhancedStatus<5> = "5.7.1"): ProgramAnswer {
  return { kind: "refused", status, reason };
}

/** The message is to be handed over again later, by the schedule of `[queue]`. `status`: RFC 3463. */
export function defer(reason: string, status: EnhancedStatus<4> = "4.3.0"): ProgramAnswer {
  return { kind: "deferred", status, reason };
}

/** A name and a password that a client showed under TLS. */
export interface ShownLogin {
  readonly username: string;
  readonly password: string;
  /** IP address as text; "" for a unix socket. */
  readonly clientAddress: string;
  /** Aborts after 30 seconds, when nobody waits any more. */
  readonly signal: AbortSignal;
}

/**
 * The address of the user whose password it is; `true`: the username is that address; `false` or nothing: the password is
 * wrong. What it throws is logged, and the client hears 454 4.7.0 and may try again. Up to 100 questions may be under way.
 */
export type Authenticate = (login: ShownLogin) => string | boolean | undefined | Promise<string | boolean | undefined>;

export interface StartOptions {
  /**
   * Takes the mail of `[[domain]]`s instead of Maildirs; an explicit `[[route]]` still wins. It is called after the message is
   * on the disk and its client has got the 250, for up to 16 messages at once, and again until it takes or refuses the
   * message, or the message expires.
   */
  readonly onMessage?: MessageHandler;
  /**
   * Checks passwords of users who are declared nowhere else: asked about each one that is not the password of a `[[user]]` or
   * an app password, at a sign-in on a submission listener. Clients may then use PLAIN and LOGIN, but not SCRAM.
   */
  readonly authenticate?: Authenticate;
  /** Default: warnings and errors, one readable line each, on standard error. */
  readonly log?: Log;
  /** Where relative paths in the settings start. Default: the working directory. */
  readonly folder?: string;
  /**
   * The server can store nothing any more and should be started again. Default: the error is thrown where nobody catches it,
   * which ends the process.
   */
  readonly onFailure?: (error: Error) => void;
}

export interface EmbeddedServer extends Omit<RunningServer, "reload" | "showLog" | "inbox">, AsyncDisposable {
  /** Where the first listener (of this kind) listens. Throws where there is none, or it is a unix socket. */
  address(kind?: string): { readonly host: string; readonly port: number };
  /** Puts these settings in force, or none of them. Absent: a configuration file is read again. */
  reload(settings?: SettingsInput): Promise<ReloadResult>;
}

/**
 * Starts a production server in this process. `settings`: those of `posthaste.toml`, or the path of such a file. Rejects with
 * `ConfigError` (the settings are wrong; all problems are listed) or `StartError` (an address is taken, the data directory
 * cannot be used); nothing stays open then.
 */
export async function startServer(
  settings: SettingsInput | string,
  options: StartOptions = {},
): Promise<EmbeddedServer> {
  const { onMessage, authenticate, onFailure = throwOutside, folder = process.cwd() } = options;
  const log = options.log ?? warningsOnStandardError();
  const base = resolve(folder);
  const read = () => readSettings(settings, base);
  const checked = await read();
  const ports = await nodePorts(checked, { log, onSpoolGone: onFailure });
  const server = await createServer(
    { settings: checked, mode: "production", reload: read },
    {
      ...ports,
      ...(onMessage && { program: programOf(onMessage) }),
      ...(authenticate && { passwordSource: passwordSourceOf(authenticate) }),
    },
  );
  const { listeners } = server;
  return {
    listeners,
    admin: server.admin,
    address: (kind) => {
      const found = listeners.find((listener) => kind === undefined || listener.kind === kind);
      if (found?.endpoint.kind !== "ip")
        throw new Error(`no ${kind === undefined ? "" : `${kind} `}listener has an IP address`);
      return { host: found.endpoint.address, port: found.endpoint.port };
    },
    reload: (next) => server.reload(next && (() => readSettings(next, base))),
    stop: () => server.stop(),
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

function passwordSourceOf(authenticate: Authenticate): PasswordSource {
  return {
    name: "the program",
    check: async (shown, { signal }) => {
      const answer = await authenticate({ ...shown, signal });
      if (answer === undefined || answer === false || answer === "") return { kind: "wrong" };
      return { kind: "right", login: answer === true ? shown.username : answer };
    },
  };
}

async function readSettings(given: SettingsInput | string, folder: string): Promise<Settings> {
  const sources = { files: new NodeFiles(), environment: process.env };
  if (typeof given !== "string") return await checkSettings(given, folder, sources);
  let loaded = 0;
  const importModule = async (file: string) =>
    (await import(`${pathToFileURL(file).href}?${process.hrtime.bigint()}-${loaded++}`)) as Record<string, unknown>;
  return (await loadSettings(resolve(folder, given), { ...sources, importModule })).settings;
}

function programOf(handler: MessageHandler): Program {
  return {
    timeoutMs: handlerTimeoutMs,
    take: async (job, { signal }) => answerOf(await handler(receivedMessage(job, signal))),
  };
}

/** JavaScript, and arrow functions without braces, return what types do not allow. */
function answerOf(returned: unknown): ProgramAnswer {
  if (returned === undefined || returned === null || isAnswer(returned)) return returned ?? undefined;
  throw new TypeError("the handler returned neither nothing, refuse() nor defer()");
}

function isAnswer(returned: unknown): returned is NonNullable<ProgramAnswer> {
  if (typeof returned !== "object" || returned === null) return false;
  const { kind, status, reason } = returned as Record<string, unknown>;
  return (kind === "refused" || kind === "deferred") && typeof status === "string" && typeof reason === "string";
}

function receivedMessage({ message, recipients, openContent }: DeliveryJob, signal: AbortSignal): ReceivedMessage {
  const raw = async () => {
    await using content = await openContent();
    const chunks: Uint8Array[] = [Buffer.from(message.headerBlock)];
    for await (const chunk of content.chunks()) chunks.push(chunk);
    return Buffer.concat(chunks);
  };
  return {
    id: message.id,
    envelope: { from: message.reversePath, to: recipients.map(({ address }) => address) },
    receivedAt: message.receivedAt,
    origin: message.origin,
    isJunk: message.junk === true,
    attempt: Math.max(...recipients.map(({ attempts }) => attempts)),
    signal,
    raw,
    parsed: async () => readContent(await raw()),
  };
}

function warningsOnStandardError(): Log {
  const write = (text: string) => void process.stderr.write(text);
  return new ReadableLog({ level: "warn", clock: new SystemClock(), write, colours: false });
}

function throwOutside(error: Error): void {
  queueMicrotask(() => {
    throw error;
  });
}
