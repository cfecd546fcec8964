/** Root of the thread that takes captured mail apart, so that the main thread never waits for it. */
import { readHeaderOnly } from "../../admin/readable-content.ts";
import { readingInThisThread } from "../../admin/message-reading.ts";
import { serveThread } from "../../node/threads/background-thread.ts";

export type ReadingTask =
  | { readonly kind: "whole"; readonly raw: Uint8Array }
  /** `problem`: why the rest is not read. */
  | { readonly kind: "header"; readonly raw: Uint8Array; readonly problem: string }
  | { readonly kind: "attachment"; readonly raw: Uint8Array; readonly index: number };

/**
 * The MIME parser gathers a part line by line in a Blob, which Node's own answers with a read for each line: 5 MB of short
 * lines take it half a minute, and a copy of them an instant. Nothing else in this thread makes a Blob.
 */
class JoinedLines {
  readonly #joined: Uint8Array;

  constructor(lines: readonly (Uint8Array | ArrayBuffer | string)[]) {
    this.#joined = Buffer.concat(lines.map(octetsOf));
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return Uint8Array.from(this.#joined).buffer;
  }
}

function octetsOf(line: Uint8Array | ArrayBuffer | string): Uint8Array {
  if (typeof line === "string") return Buffer.from(line);
  return line instanceof ArrayBuffer ? new Uint8Array(line) : line;
}

Object.assign(globalThis, { Blob: JoinedLines });

serveThread(async (task: ReadingTask) => {
  switch (task.kind) {
    case "whole":
      return await readingInThisThread.read(task.raw);
    case "header":
      return await readHeaderOnly(task.raw, task.problem);
    case "attachment": {
      const found = await readingInThisThread.attachment(task.raw, task.index);
      // Without the memory of the whole message, which a part of it would take along.
      return found && { ...found, content: Uint8Array.from(found.content) };
    }
    default:
      return task satisfies never;
  }
});
