/** Many messages over several sessions, with a progress bar, and what the replies took. */
import type { RecipientResult } from "../../smtp/client/recipient-results.ts";
import { replyText } from "../../smtp/reply-reader.ts";
import type { CliContext } from "../context.ts";
import { ExitCode } from "../exit-code.ts";
import { ProgressBar } from "../progress-bar.ts";
import { printable } from "../../lib/printable-text.ts";
import { styleFor } from "../style.ts";
import type { OutgoingContent } from "./outgoing-content.ts";
import { resultExitCode, worst } from "./send-once.ts";
import type { SendPlan, SendTarget } from "./send-plan.ts";
import { openSendSession, type SendSession, type SendTrouble, troubleOf } from "./send-session.ts";

/** Each worker gives up after so many sessions in a row that could not be opened. */
const openFailuresMax = 5;
/** Different replies kept for the summary. */
const repliesKept = 20;

interface Tally {
  accepted: number;
  refused: number;
  failed: number;
  begun: number;
  readonly latencies: number[];
  readonly replies: Map<string, number>;
  readonly exitCodes: Set<ExitCode>;
}

export async function sendMany(
  options: {
    readonly plan: SendPlan;
    readonly targets: readonly SendTarget[];
    readonly content: () => OutgoingContent;
  },
  output: { readonly json: boolean; readonly quiet: boolean },
  context: CliContext,
): Promise<ExitCode> {
  const { plan } = options;
  const { clock } = context;
  const tally: Tally = {
    accepted: 0,
    refused: 0,
    failed: 0,
    begun: 0,
    latencies: [],
    replies: new Map(),
    exitCodes: new Set(),
  };
  const bar = new ProgressBar(context, { total: plan.count, shown: !output.json && !output.quiet });
  const started = clock.monotonicMs();
  const workers = Array.from({ length: Math.min(plan.concurrency, plan.count) }, () =>
    work(options, tally, bar, context),
  );
  await Promise.all(workers);
  bar.finish();
  const ms = clock.monotonicMs() - started;
  const done = tally.accepted + tally.refused + tally.failed;
  const exitCode = worst([...tally.exitCodes, ...(done < plan.count ? [ExitCode.unavailable] : [])]);
  const sorted = tally.latencies.toSorted((a, b) => a - b);
  const latency = {
    p50: percentile(sorted, 50),
    p95: percentile(sorted, 95),
    p99: percentile(sorted, 99),
    max: sorted.at(-1) ?? 0,
  };
  const replies = [...tally.replies].map(([reply, count]) => ({ reply, count })).toSorted((a, b) => b.count - a.count);
  const { accepted, refused, failed } = tally;
  const perSecond = ms > 0 ? (accepted / ms) * 1000 : 0;
  if (output.json) {
    const numbers = { count: plan.count, accepted, refused, failed, unsent: plan.count - done };
    const latencyMs = Object.fromEntries(Object.entries(latency).map(([name, value]) => [name, rounded(value)]));
    const times = { seconds: rounded(ms / 1000), accepted_per_second: Math.round(perSecond), latency_ms: latencyMs };
    context.stdout.write(`${JSON.stringify({ ...numbers, ...times, replies, exit_code: exitCode })}\n`);
    return exitCode;
  }
  const style = styleFor(context.stdout, context.environment);
  const counts = [
    style.green(`${accepted} accepted`),
    ...(refused > 0 ? [style.red(`${refused} refused`)] : []),
    ...(failed > 0 ? [style.red(`${failed} failed`)] : []),
    ...(done < plan.count ? [style.yellow(`${plan.count - done} not sent`)] : []),
  ];
  const number = (value: number) => (value < 10 ? value.toFixed(1) : String(Math.round(value)));
  context.stdout.write(`${counts.join(", ")} in ${(ms / 1000).toFixed(1)} s: ${number(perSecond)} messages a second\n`);
  if (sorted.length > 0) {
    const { p50, p95, p99, max } = latency;
    context.stdout.write(
      `Latency: p50 ${number(p50)} ms, p95 ${number(p95)} ms, p99 ${number(p99)} ms, most ${number(max)} ms\n`,
    );
  }
  for (const { reply, count } of replies) context.stdout.write(`  ${count} × ${printable(reply)}\n`);
  return exitCode;
}

/** Takes messages from the common count until none is left. */
async function work(
  { plan, targets, content }: Parameters<typeof sendMany>[0],
  tally: Tally,
  bar: ProgressBar,
  context: CliContext,
): Promise<void> {
  let session: SendSession | undefined;
  let failures = 0;
  while (tally.begun < plan.count && !context.interrupted.aborted && failures < openFailuresMax) {
    if (!session?.usable) {
      await session?.[Symbol.asyncDispose]();
      session = undefined;
      const target = targets[failures % targets.length];
      if (target === undefined) return;
      const opened = await openSendSession(target, plan, context);
      if (opened.kind === "trouble") {
        failures++;
        noteTrouble(tally, opened.trouble);
        continue;
      }
      session = opened.session;
      failures = 0;
    }
    // Between the look at the count and here another worker may have taken the last one.
    if (tally.begun >= plan.count) break;
    tally.begun++;
    const from = context.clock.monotonicMs();
    const results = await session.send(content());
    tally.latencies.push(context.clock.monotonicMs() - from);
    note(tally, results);
    bar.step({ accepted: tally.accepted, refused: tally.refused + tally.failed });
    if (plan.reconnect) {
      if (session.usable) await session.quit();
      await session[Symbol.asyncDispose]();
      session = undefined;
    }
  }
  if (session?.usable) await session.quit();
  await session?.[Symbol.asyncDispose]();
}

/** A message counts as accepted when every recipient was. */
function note(tally: Tally, results: readonly RecipientResult[]): void {
  if (results.every(({ kind }) => kind === "accepted")) tally.accepted++;
  else if (results.some(({ kind }) => kind === "broken")) tally.failed++;
  else tally.refused++;
  for (const result of results) {
    tally.exitCodes.add(resultExitCode(result));
    if (result.kind === "accepted") continue;
    noteReply(tally, result.kind === "broken" ? troubleOf(result.failure).message : replyText(result.reply));
  }
}

function noteTrouble(tally: Tally, { message, exitCode }: SendTrouble): void {
  tally.exitCodes.add(exitCode);
  noteReply(tally, message);
}

function noteReply(tally: Tally, text: string): void {
  const key = tally.replies.has(text) || tally.replies.size < repliesKept ? text : "other replies";
  tally.replies.set(key, (tally.replies.get(key) ?? 0) + 1);
}

/** Nearest rank. */
export function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? 0;
}

/** To thousandths: more would be noise. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
