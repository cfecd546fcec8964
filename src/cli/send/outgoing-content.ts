/**
 * The message that `posthaste send` sends: a file as it is, or one made from a subject, a text and attachments. Lines end
 * in CRLF, because files on disk usually do not (RFC 5321 §2.3.8).
 */
import { isAscii } from "node:buffer";
import { basename } from "node:path";
import { formatDate } from "../../message/date.ts";
import { type Attachment, describesBody, fieldName, makeMessage, withCrlf } from "../../message/make-message.ts";
import type { CliContext } from "../context.ts";
import { CliError, ExitCode, usageError } from "../exit-code.ts";
import type { GivenArguments } from "../given-arguments.ts";
import { readFileOf, type SendPlan } from "./send-plan.ts";

/** All of it is held in memory while it is sent. */
const messageBytesMax = 512 * 1024 * 1024;

export interface OutgoingContent {
  readonly bytes: Buffer;
  readonly eightBit: boolean;
}

/** Gives the content of each message in turn; a made one gets a Message-ID of its own each time. */
export async function contentMaker(
  given: GivenArguments,
  plan: SendPlan,
  context: CliContext,
): Promise<() => OutgoingContent> {
  const extra = given.texts("header").map(checkedHeader);
  const [file] = given.positionals;
  if (file !== undefined) {
    for (const name of ["subject", "body", "attach"]) {
      if (given.text(name) !== undefined)
        throw usageError(`--${name} composes a message and cannot be used with a FILE`);
    }
    const top = Buffer.from(extra.map((line) => `${line}\r\n`).join(""));
    const content = withCrlf(Buffer.from(await readFileOf(file, messageBytesMax, context)));
    if (content.length === 0) throw new CliError(ExitCode.data, `${file === "-" ? "standard input" : file} is empty`);
    const ready = contentOf(Buffer.concat([top, content]));
    return () => ready;
  }
  const made = extra.map(fieldName).find(describesBody);
  if (made !== undefined) throw usageError(`--header cannot set ${made}: it follows from the body and the attachments`);
  const attachments: Attachment[] = [];
  for (const name of given.texts("attach")) {
    attachments.push({ name: basename(name), bytes: Buffer.from(await readFileOf(name, messageBytesMax, context)) });
  }
  const parts = {
    subject: given.text("subject") ?? `Test from posthaste send, ${formatDate(context.clock.now())}`,
    text: given.text("body") ?? "This is a test message, sent by `posthaste send`.\n",
    extra,
    attachments,
  };
  return () => contentOf(makeMessage(parts, plan, { at: context.clock.now(), random: context.random }));
}

function checkedHeader(line: string): string {
  if (/^[\x21-\x39\x3b-\x7e]+:[^\r\n]*$/.test(line)) return line;
  throw usageError(`--header takes "Name: value" on one line, not "${line.slice(0, 60)}"`);
}

function contentOf(bytes: Buffer): OutgoingContent {
  return { bytes, eightBit: !isAscii(bytes) };
}
