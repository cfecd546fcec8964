/** Runs on a message file the checks that a server runs on arriving mail: the same object, with the same settings. */
import type { SenderVerdict } from "../../policy/authentication/sender-verdict.ts";
import { SenderAuthentication, type SenderEnvelope } from "../../policy/authentication/sender-authentication.ts";
import type { SenderAuthenticationSettings } from "../../policy/authentication/settings.ts";
import { BodyHashes } from "../../dkim/body-hashes.ts";
import { bearsAuthservId } from "../../message/authentication-results.ts";
import { headerFaultWords, judgeHeaderEnd } from "../../message/header-end.ts";
import { HeaderCollector, type HeaderSection, parseHeaderFields } from "../../message/header-section.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Resolver } from "../../ports/resolver.ts";
import { CliError, ExitCode } from "../exit-code.ts";
import { withCrlf } from "../send/outgoing-content.ts";

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
  let content = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (content.length === 0) throw new CliError(ExitCode.data, "the message is empty");
  // White space before the colon is obsolete syntax (RFC 5322 §4.5), and makes no line of a mailbox file.
  if (/^From (?![ \t]*:)/.test(content.subarray(0, 100).toString("latin1"))) {
    const end = content.indexOf(10);
    content = content.subarray(end === -1 ? content.length : end + 1);
    notes.push("The first line, of a mailbox file, was left out.");
  }
  const message = withCrlf(content);
  if (message.length > content.length) {
    notes.push("Lines end in LF in the file; they were given CRLF, as mail has it.");
  }
  const collector = new HeaderCollector({ dropMboxLine: true });
  const progress = collector.push(message);
  const result = progress.kind === "need-more" ? collector.end() : progress;
  if (result.kind === "too-large")
    throw new CliError(ExitCode.data, "the header section is larger than a server takes");
  if (result.mboxLineBytes > 0) notes.push("The first line, of a mailbox file, was left out.");
  const end = judgeHeaderEnd(result.header, result.rest);
  if (end.kind === "ambiguous") {
    throw new CliError(ExitCode.data, `a server refuses this message: ${headerFaultWords[end.fault]}`);
  }
  if (end.kind === "unseparated") {
    notes.push("No empty line ends its header; a server puts one before the first line that is no field.");
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
