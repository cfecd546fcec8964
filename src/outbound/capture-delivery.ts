/**
 * Delivery into the captured-mail box: the message as it would have gone out, in `data_dir/captured/ID.eml`, and its
 * listing in the spool's records. Whoever waits for mail hears of it once both are durable.
 */
import type { Clock } from "../ports/clock.ts";
import { FileError, type Files } from "../ports/files.ts";
import type { DeliveryAgent, DeliveryJob, DeliveryResult } from "../queue/delivery-agent.ts";
import type { Spool } from "../spool/spool.ts";
import { type CapturedMessage, capturedNamespace } from "./captured-message.ts";

export class CaptureDelivery implements DeliveryAgent {
  readonly #files: Files;
  readonly #spool: Spool;
  readonly #clock: Clock;
  readonly #folder: string;
  readonly #captured: (message: CapturedMessage) => void;
  #prepared = false;

  constructor(
    dependencies: { readonly files: Files; readonly spool: Spool; readonly clock: Clock },
    settings: { readonly folder: string; readonly captured: (message: CapturedMessage) => void },
  ) {
    this.#files = dependencies.files;
    this.#spool = dependencies.spool;
    this.#clock = dependencies.clock;
    this.#folder = settings.folder;
    this.#captured = settings.captured;
  }

  async deliver(job: DeliveryJob): Promise<DeliveryResult> {
    const { message, recipients } = job;
    const first = recipients[0]?.index ?? 0;
    // A message with very many recipients comes in several jobs; each is listed.
    const id = first === 0 ? message.id : `${message.id}-${first}`;
    try {
      const size = await this.#write(`${this.#folder}/${id}.eml`, job);
      const captured: CapturedMessage = {
        id,
        from: message.reversePath,
        to: recipients.map(({ address, acceptedAs, forwarded }) => (forwarded ? address : (acceptedAs ?? address))),
        subject: message.facts.subject ?? "",
        received_at: new Date(this.#clock.now()).toISOString(),
        size,
        ...(message.junk === undefined ? undefined : { junk: message.junk }),
      };
      await this.#spool.changeRecords([{ kind: "put", namespace: capturedNamespace, key: id, value: captured }]);
      this.#captured(captured);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      const reason = `the captured message could not be written (${error.code})`;
      const outcome = { kind: "deferred", status: "4.3.1", owner: "local-trouble", reason } as const;
      return { outcomes: recipients.map(({ index }) => ({ index, outcome })) };
    }
    const diagnostic = { type: "x-posthaste", text: `captured as ${id}; nothing left this machine` } as const;
    const outcome = { kind: "delivered", status: "2.0.0", diagnostic } as const;
    return { outcomes: recipients.map(({ index }) => ({ index, outcome })) };
  }

  async close(): Promise<void> {}

  async #write(path: string, job: DeliveryJob): Promise<number> {
    if (!this.#prepared) {
      await this.#files.makeDirectory(this.#folder, 0o700);
      this.#prepared = true;
    }
    // A leftover of an attempt that a crash cut short.
    await this.#files.remove(path);
    await using content = await job.openContent();
    await using file = await this.#files.open(path, "create", 0o600);
    const top = Buffer.from(job.message.headerBlock);
    let size = top.length;
    await file.write(top);
    for await (const chunk of content.chunks()) {
      await file.write(chunk);
      size += chunk.length;
    }
    await file.sync();
    await this.#files.syncDirectory(this.#folder);
    return size;
  }
}
