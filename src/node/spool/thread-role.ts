/** What a spool thread does, as writer, reader or checkpointer: takes batches from its port, answers each with one message. */
import { parentPort, workerData } from "node:worker_threads";
import { failureOf } from "./failure.ts";
import type { Batch, SpoolThreadData, ThreadReply, ThreadRequest } from "./thread-messages.ts";
import { SpoolCheckpointer } from "./checkpointer.ts";
import { SpoolReader } from "./reader.ts";
import { SpoolWriter } from "./writer.ts";

export function runSpoolThread(): void {
  const port = parentPort;
  if (port === null) throw new Error("This is a worker's root; it is started by the spool");
  const data = workerData as SpoolThreadData;
  const answer = (reply: ThreadReply) => port.postMessage(reply);
  try {
    const role = openRole(data, answer);
    port.on("message", (request: ThreadRequest) => {
      if (request === "close") {
        role.close();
        answer({ kind: "closed" });
        port.close();
        return;
      }
      const { buffer } = request.content;
      port.postMessage({ ...role.run(request), buffer } satisfies ThreadReply, [buffer]);
    });
  } catch (error) {
    answer({ kind: "refused", ...failureOf(error) });
    port.close();
  }
}

interface Role {
  run(batch: Batch): Extract<ThreadReply, { kind: "answers" }>;
  close(): void;
}

function openRole(data: SpoolThreadData, answer: (reply: ThreadReply) => void): Role {
  if (data.role === "writer") {
    const writer = new SpoolWriter(data);
    const { incarnation, recovered } = writer;
    const { check } = writer;
    answer({ kind: "opened", incarnation, recovered, counts: writer.counts(), check, damage: writer.damage() });
    return writer;
  }
  const role = data.role === "reader" ? new SpoolReader(data) : new SpoolCheckpointer(data);
  answer({ kind: "opened", incarnation: 0, recovered: 0, counts: undefined, check: undefined, damage: [] });
  return role;
}
