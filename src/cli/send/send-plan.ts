/** What `posthaste send` was asked to do, as plain values: checked before anything is connected to. */
import { resolve } from "node:path";
import { formatMailbox, parseMailbox } from "../../address/mailbox-text.ts";
import { needsSmtpUtf8 } from "../../address/mailbox-grammar.ts";
import { FileError } from "../../ports/files.ts";
import type { Endpoint } from "../../lib/endpoint.ts";
import type { CliContext } from "../context.ts";
import { CliError, ExitCode, usageError } from "../exit-code.ts";
import type { GivenArguments } from "../given-arguments.ts";

/** `verified` is STARTTLS, or TLS at once on port 465, with a certificate that must be valid. */
export type SendTls = "none" | "opportunistic" | "starttls" | "implicit" | "verified";
export const sendTlsChoices: readonly SendTls[] = ["none", "opportunistic", "starttls", "implicit", "verified"];

export interface SendPlan {
  /** undefined: the MX hosts of the first recipient's domain. */
  readonly server: { readonly host: string; readonly port: number } | undefined;
  readonly tls: SendTls;
  readonly certificateAuthorities: readonly string[];
  readonly credentials: { readonly username: string; readonly password: string } | undefined;
  readonly heloName: string;
  /** Ready for the wire; "" is the null reverse-path. */
  readonly from: string;
  readonly to: readonly string[];
  readonly smtpUtf8: boolean;
  readonly count: number;
  readonly concurrency: number;
  /** A connection of its own for each message. */
  readonly reconnect: boolean;
  /** For each reply, and for connecting. */
  readonly timeoutMs: number;
  readonly lmtp: boolean;
}

export interface SendTarget {
  readonly endpoint: Endpoint;
  /** For SNI and the certificate's name. */
  readonly name: string;
}

/** A sender of load needs memory per session; more than this is a mistake or an attack. */
const concurrencyMax = 1000;

export async function sendPlan(given: GivenArguments, context: CliContext): Promise<SendPlan> {
  const server = given.text("server");
  const lmtp = given.flag("lmtp");
  const parsedServer = server === undefined ? undefined : parseServer(server, lmtp ? 24 : 25);
  const chosen = given.text("tls") as SendTls | undefined;
  const to = given
    .texts("to")
    .flatMap((text) => (text.includes('"') ? [text] : text.split(",")))
    .map((text) => text.trim());
  if (to.length === 0) throw usageError("--to is required: the recipient of the message");
  const mailboxes = [...(given.text("from") ? [given.required("from")] : []), ...to].map(requireMailbox);
  const from = given.required("from");
  return {
    server: parsedServer,
    tls: chosen ?? (parsedServer?.port === 465 ? "implicit" : "opportunistic"),
    certificateAuthorities: await authoritiesFrom(given.text("ca"), context),
    credentials: await credentialsFrom(given, context),
    heloName: given.text("helo") ?? "localhost",
    from: from === "" || from === "<>" ? "" : formatMailbox(requireMailbox(from)),
    to: to.map((text) => formatMailbox(requireMailbox(text))),
    smtpUtf8: mailboxes.some((mailbox) => needsSmtpUtf8(mailbox)),
    count: given.number("count", { min: 1, max: 100_000_000 }) ?? 1,
    concurrency: given.number("concurrency", { min: 1, max: concurrencyMax }) ?? 1,
    reconnect: given.flag("reconnect"),
    timeoutMs: given.durationMs("timeout") ?? 30_000,
    lmtp,
  };
}

/** `host`, `host:port`, `192.0.2.1:25`, `[::1]:25`. */
export function parseServer(text: string, defaultPort: number): { readonly host: string; readonly port: number } {
  const match =
    /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s]+)|([0-9A-Fa-f]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? match?.[3];
  const port = match?.[4] === undefined ? defaultPort : Number(match[4]);
  if (host === undefined || port < 1 || port > 65_535) {
    throw usageError(`--server takes HOST:PORT, such as mail.example.org:25 or [::1]:2525, not "${text}"`);
  }
  return { host, port };
}

function requireMailbox(text: string) {
  const mailbox = parseMailbox(text);
  if (mailbox) return mailbox;
  throw usageError(`"${text}" is not an address such as ann@example.org`);
}

async function credentialsFrom(given: GivenArguments, context: CliContext): Promise<SendPlan["credentials"]> {
  const auth = given.text("auth");
  const user = given.text("user");
  const file = given.text("password-file");
  if (auth !== undefined) {
    if (user !== undefined || file !== undefined) throw usageError("--auth and --user cannot be used together");
    const colon = auth.indexOf(":");
    if (colon < 1) throw usageError("--auth takes USER:PASSWORD; --user with --password-file keeps it from `ps`");
    return { username: auth.slice(0, colon), password: auth.slice(colon + 1) };
  }
  if (user === undefined) {
    if (file !== undefined) throw usageError("--password-file requires --user");
    return undefined;
  }
  if (file !== undefined) {
    const text = new TextDecoder().decode(await readFileOf(file, 65_536, context)).replace(/\r?\n$/, "");
    return { username: user, password: text };
  }
  if (!context.stdin.isTerminal) throw usageError("--user requires --password-file when there is no terminal");
  return { username: user, password: await context.stdin.ask(`Password of ${user}: `, { hidden: true }) };
}

async function authoritiesFrom(file: string | undefined, context: CliContext): Promise<readonly string[]> {
  if (file === undefined) return [];
  return [new TextDecoder().decode(await readFileOf(file, 1_048_576, context))];
}

/** `-` is standard input. */
export async function readFileOf(name: string, bytesMax: number, context: CliContext): Promise<Uint8Array> {
  if (name === "-") return await context.stdin.readAll(bytesMax);
  const path = resolve(context.workingDirectory, name);
  try {
    const facts = await context.files.stat(path);
    if (facts && facts.size > bytesMax) throw new CliError(ExitCode.data, `${path} is larger than ${bytesMax} octets`);
    return await context.files.readFile(path);
  } catch (error) {
    if (error instanceof FileError) throw new CliError(ExitCode.data, `${path} cannot be read (${error.code})`);
    throw error;
  }
}
