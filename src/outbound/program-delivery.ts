/**
 * Delivery into the program that runs the server. The message is on the disk and its client has its 250 by then, so the
 * program may take its time, fail, or be restarted: what it has not taken is tried again by the queue's schedule, and a
 * message may come twice where the server ended between the program's answer and its record.
 */
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import { errorText } from "../lib/error-text.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { DeliveryAgent, DeliveryJob, DeliveryResult } from "../queue/delivery-agent.ts";
import type { EnhancedStatus } from "../smtp/enhanced-status.ts";

/** What a program says of a message: `undefined` took it. */
export type ProgramAnswer =
  | undefined
  /** For good: the sender gets a report with `reason`. */
  | { readonly kind: "refused"; readonly status: EnhancedStatus<5>; readonly reason: string }
  /** The message is tried again later. */
  | { readonly kind: "deferred"; readonly status: EnhancedStatus<4>; readonly reason: string };

export interface Program {
  /** `signal` aborts when nobody waits for the answer any more: the time has ended, or the server stops. */
  take(job: DeliveryJob, options: { readonly signal: AbortSignal }): Promise<ProgramAnswer>;
  /** For one message. */
  readonly timeoutMs: number;
}

export class ProgramDelivery implements DeliveryAgent {
  readonly #program: Program | undefined;
  readonly #clock: Clock;
  readonly #log: Log;

  /** `program` absent: no route leads here. */
  constructor(program: Program | undefined, ports: { readonly clock: Clock; readonly log: Log }) {
    this.#program = program;
    this.#clock = ports.clock;
    this.#log = ports.log;
  }

  async deliver(job: DeliveryJob, { signal }: { readonly signal: AbortSignal }): Promise<DeliveryResult> {
    const outcome = outcomeOf(await this.#answer(job, signal));
    return { outcomes: job.recipients.map(({ index }) => ({ index, outcome })) };
  }

  async close(): Promise<void> {}

  async #answer(job: DeliveryJob, stopping: AbortSignal): Promise<ProgramAnswer> {
    const program = this.#program;
    if (program === undefined) return deferred("no program takes mail here");
    const givenUp = new AbortController();
    const { promise: over, resolve: giveUp, reject: fail } = Promise.withResolvers<ProgramAnswer>();
    const timer = this.#clock.setTimer(program.timeoutMs, () =>
      fail(new Error(`it did not answer within ${program.timeoutMs / 1000} s`)),
    );
    const stop = () => giveUp(deferred("the server is stopping", "4.3.2"));
    if (stopping.aborted) stop();
    else stopping.addEventListener("abort", stop, { once: true });
    try {
      return await Promise.race([over, program.take(job, { signal: givenUp.signal })]);
    } catch (error) {
      const text = errorText(error);
      this.#log.event("program-failed", { message: job.message.id, error: text });
      return deferred(`the program failed: ${text}`);
    } finally {
      timer.cancel();
      stopping.removeEventListener("abort", stop);
      // A program that answered has no use for it; one that did not should end what it still does.
      givenUp.abort(new Error("nobody waits for the answer any more"));
    }
  }
}

function deferred(reason: string, status: EnhancedStatus<4> = "4.3.0"): ProgramAnswer {
  return { kind: "deferred", status, reason };
}

function outcomeOf(answer: ProgramAnswer): DeliveryOutcome {
  if (answer === undefined) {
    return {
      kind: "delivered",
      status: "2.0.0",
      diagnostic: { type: "x-posthaste", text: "the program has taken the message" },
    };
  }
  const { reason } = answer;
  const diagnostic = { type: "x-posthaste", text: reason } as const;
  return answer.kind === "refused"
    ? { kind: "bounced", status: answer.status, owner: "policy", reason, diagnostic }
    : { kind: "deferred", status: answer.status, owner: "local-trouble", reason, diagnostic };
}
