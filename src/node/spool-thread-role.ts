/** What a spool thread does, as writer or as reader: takes batches from its port, answers each with one message. */
import { parentPort, workerData } from "node:worker_threads";
import { failureOf } from "./spool-failure.ts";
import type { Batch, SpoolThreadData, ThreadReply, ThreadRequest } from "./spool-protocol.ts";
import { SpoolReader } from "./spool-reader.ts";
import { SpoolWriter } from "./spool-writer.ts";

export function runSpoolThread(): void {
  const port = parentPort;
  if (port === null) throw new Error("This is a worker's root; it is started by the spool");
  const data = workerData as SpoolThreadData;
  const answer = (reply: ThreadReply) => port.postMessage(reply);
  try {
    const { run, rest, close } = data.role === "writer" ? openWriter(data, answer) : openReader(data, answer);
    port.on("message", (request: ThreadRequest) => {
      if (request === "close") {
        close();
        answer({ kind: "closed" });
        port.close();
        return;
      }
      answer(run(request));
      rest();
    });
  } catch (error) {
    answer({ kind: "refused", ...failureOf(error) });
    port.close();
  }
}

interface Role {
  run(batch: Batch): ThreadReply;
  rest(): void;
  close(): void;
}

function openWriter(data: SpoolThreadData, answer: (reply: ThreadReply) => void): Role {
  const writer = new SpoolWriter(data);
  const { incarnation, recovered } = writer;
  answer({ kind: "opened", incarnation, recovered, counts: writer.counts() });
  return { run: (batch) => writer.run(batch), rest: () => writer.rest(), close: () => writer.close() };
}

function openReader(data: SpoolThreadData, answer: (reply: ThreadReply) => void): Role {
  const reader = new SpoolReader(data);
  answer({ kind: "opened", incarnation: 0, recovered: 0, counts: undefined });
  return { run: (batch) => reader.run(batch), rest: () => {}, close: () => reader.close() };
}
