/** Runs on a message file the checks that a server runs on arriving mail: the same object, with the same settings. */
import type { SenderVerdict } from "../../policy/authentication/sender-verdict.ts";
import { SenderAuthentication, type SenderEnvelope } from "../../policy/authentication/sender-authentication.ts";
import type { SenderAuthenticationSettings } from "../../policy/authentication/settings.ts";
import { BodyHashes } from "../../dkim/body-hashes.ts";
import { asBuffer } from "../../lib/as-buffer.ts";
import { bearsAuthservId } from "../../message/authentication-results.ts";
import { headerFaultWords, judgeHeaderEnd } from "../../message/header-end.ts";
import { HeaderCollector, type HeaderSection, parseHeaderFields } from "../../message/header-section.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Resolver } from "../../ports/resolver.ts";
import { CliError, ExitCode } from "../exit-code.ts";
import { withCrlf } from "../../message/make-message.ts";

export interface MessageFile {
  readonly header: HeaderSection;
  /** All that follows the header section. */
  readonly rest: Buffer;
  readonly size: number;
  /** What was done to the file to make it a message. */
  readonly notes: readonly string[];
}

export function readMessage(bytes: Uint8Array): MessageFile {
  const notes: string[] = [];
  let content = asBuffer(bytes);
  if (content.length === 0) throw new CliError(ExitCode.data, "the message is empty");
  // White space before the colon is obsolete syntax (RFC 5322 §4.5), and makes no line of a mailbox file.
  if (/^From (?![ \t]*:)/.test(content.subarray(0, 100).toString("latin1"))) {
    const end = content.indexOf(10);
    content = content.subarray(end === -1 ? content.length : end + 1);
    notes.push("The first line, which belongs to a mailbox file (mbox), was ignored.");
  }
  const message = withCrlf(content);
  if (message.length > content.length) {
    notes.push("The lines of the file end in LF; they were changed to end in CRLF, as in mail.");
  }
  const collector = new HeaderCollector({ dropMboxLine: true });
  const progress = collector.push(message);
  const result = progress.kind === "need-more" ? collector.end() : progress;
  if (result.kind === "too-large")
    throw new CliError(ExitCode.data, "the message header is larger than a server accepts");
  if (result.mboxLineBytes > 0) notes.push("The first line, which belongs to a mailbox file (mbox), was ignored.");
  const end = judgeHeaderEnd(result.header, result.rest);
  if (end.kind === "ambiguous") {
    throw new CliError(ExitCode.data, `a server would refuse this message: ${headerFaultWords[end.fault]}`);
  }
  if (end.kind === "unseparated") {
    notes.push("No empty line ends the header; a server inserts one before the first line that is not a header field.");
  }
  return { header: parseHeaderFields(result.header), rest: result.rest, size: message.length, notes };
}

export async function judgeMessage(
  { header, rest }: MessageFile,
  envelope: SenderEnvelope,
  settings: SenderAuthenticationSettings,
  parts: { readonly resolver: Resolver; readonly clock: Clock },
): Promise<SenderVerdict & { readonly forgedResults: number }> {
  const authentication = new SenderAuthentication(parts, settings);
  const bodies = new BodyHashes();
  const pending = authentication.begin({ ...envelope, header, bodies });
  bodies.push(rest);
  bodies.end();
  const forgedResults = header.fields.filter((field) => bearsAuthservId(field, authentication.ownNames)).length;
  return { ...(await pending.finish()), forgedResults };
}
