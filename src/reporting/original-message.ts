/** What a report returns of the message it is about, read from the spool and bounded. */
import type { ReportedMessage } from "../dsn/report.ts";
import { asBuffer } from "../lib/as-buffer.ts";
import { HeaderCollector, parseHeaderFields } from "../message/header-section.ts";
import type { Content, StoredMessage } from "../spool/spool.ts";

/** Headers returned are read by people; real ones have a tenth of this. The rest is left out by whole fields. */
const headerBytesMax = 64 * 1024;

export interface ReadOptions {
  /** Return the whole message if it has at most so many octets; 0: the header section only. */
  readonly wholeBytesMax: number;
}

/** Reads no more of the content than is returned. */
export async function readOriginal(
  message: StoredMessage,
  content: Content,
  { wholeBytesMax }: ReadOptions,
): Promise<ReportedMessage> {
  const ours = Buffer.from(message.headerBlock);
  const wanted = content.size + ours.length <= wholeBytesMax;
  const collector = new HeaderCollector();
  let header: Buffer | undefined;
  const body: Buffer[] = [];
  for await (const chunk of content.chunks()) {
    const bytes = asBuffer(chunk);
    if (header !== undefined) {
      body.push(bytes);
      continue;
    }
    const progress = collector.push(bytes);
    if (progress.kind === "too-large") return withoutContent(message);
    if (progress.kind === "need-more") continue;
    header = progress.header;
    body.push(progress.rest);
    if (!wanted) break;
  }
  if (header === undefined) {
    const result = collector.end();
    if (result.kind === "too-large") return withoutContent(message);
    header = result.header;
    body.push(result.rest);
  }
  const original = { ...withoutContent(message), header: Buffer.concat([ours, shortened(header)]) };
  return wanted ? { ...original, header: Buffer.concat([ours, header]), body: Buffer.concat(body) } : original;
}

/** For content that cannot be read: the sender still learns what happened, and to which message. */
export function withoutContent(message: Omit<StoredMessage, "size">): ReportedMessage {
  const { facts } = message;
  return {
    id: message.id,
    receivedAt: message.receivedAt,
    header: Buffer.from(message.headerBlock),
    utf8Header: facts.utf8Header,
    eightBit: facts.eightBit,
    binary: facts.binary || facts.longLines === true,
    ...(message.envelopeId !== undefined && { envelopeId: message.envelopeId }),
    ...(facts.subject !== undefined && { subject: facts.subject }),
    ...(facts.messageId !== undefined && { messageId: facts.messageId }),
  };
}

function shortened(header: Buffer): Buffer {
  if (header.length <= headerBytesMax) return header;
  const last = parseHeaderFields(header).fields.findLast(({ end }) => end <= headerBytesMax);
  return header.subarray(0, last?.end ?? 0);
}
