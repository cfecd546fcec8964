/** Takes captured mail apart in a thread of its own, whose time and memory are bounded. */
import { type MessageReading, ReadingError } from "../../admin/message-reading.ts";
import type { MessageAttachment } from "../../admin/parsed-message.ts";
import { type ReadableContent, readHeaderOnly } from "../../admin/readable-content.ts";
import { BackgroundThread, ThreadLimitError } from "../../node/threads/background-thread.ts";
import type { ReadingTask } from "./reading-thread.ts";

/** The largest message that is read takes some seconds; whoever waits for it may wait no longer than this. */
const limitMs = 30_000;
/** 25 MB of the shortest lines need some hundred; an honest message of that size, a tenth of it. */
const heapMaxMiB = 1024;
/** The first message costs a start of the thread; tests read one after the other. */
const idleMs = 300_000;

export function openReadingThread(limits: { readonly limitMs: number } = { limitMs }): MessageReading {
  // Unbuilt in a clone, JavaScript in the package: the thread's root has the same extension as this file.
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  const thread = new BackgroundThread<ReadingTask, ReadableContent | MessageAttachment | undefined>(
    new URL(`./reading-thread${extension}`, import.meta.url),
    { name: "reading", limitMs: limits.limitMs, heapMaxMiB, idleMs },
  );
  const run = (task: ReadingTask) => {
    // Memory of its own, to be handed over: `raw` may share its memory with other buffers.
    const raw = Uint8Array.from(task.raw);
    return thread.run({ ...task, raw }, [raw.buffer]);
  };
  /** `otherwise`: with what to go on where the thread was stopped. */
  const read = async (task: ReadingTask, otherwise: (limit: string) => Promise<ReadableContent>) => {
    try {
      return (await run(task)) as ReadableContent;
    } catch (error) {
      if (!(error instanceof ThreadLimitError)) throw error;
      return await otherwise(error.limit);
    }
  };
  return {
    read: (raw) =>
      read({ kind: "whole", raw }, (limit) => {
        const problem = `the parts of this message cannot be shown: reading them took too much ${limit}`;
        return read({ kind: "header", raw, problem }, () => readHeaderOnly(new Uint8Array(0), problem));
      }),
    attachment: async (raw, index) => {
      try {
        return (await run({ kind: "attachment", raw, index })) as MessageAttachment | undefined;
      } catch (error) {
        if (!(error instanceof ThreadLimitError)) throw error;
        throw new ReadingError(`reading this message took too much ${error.limit}; its raw form can be had`);
      }
    },
    close: () => thread.close(),
  };
}
