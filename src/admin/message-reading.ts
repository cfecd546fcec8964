/**
 * Taking captured mail apart takes longer than a turn of the event loop may: seconds for some megabytes, and strangers
 * decide what is in them. In which thread it is done is the composition's affair.
 */
import { type MessageAttachment, parseMessage } from "./parsed-message.ts";
import { type ReadableContent, readContent } from "./readable-content.ts";

export interface MessageReading {
  /** What takes too much time or memory is left out, and `left_out` says so. */
  read(raw: Uint8Array): Promise<ReadableContent>;
  /** Number `index` of those that {@link read} lists; undefined: there is none. Throws {@link ReadingError}. */
  attachment(raw: Uint8Array, index: number): Promise<MessageAttachment | undefined>;
  close(): Promise<void>;
}

/** The message takes too much time or memory. */
export class ReadingError extends Error {
  override readonly name = "ReadingError";
}

/** Blocks until it is done. */
export const readingInThisThread: MessageReading = {
  read: (raw) => readContent(raw),
  attachment: async (raw, index) => (await parseMessage(raw)).attachments[index],
  close: () => Promise.resolve(),
};
