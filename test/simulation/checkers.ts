/**
 * What must hold, whatever went wrong. Each checker looks at the whole world, books of clients and receivers, spool,
 * mailboxes and log, and says in a sentence what does not hold. This file has the order in which they look.
 */
import type { HistoryEvent } from "../../src/events/history-event.ts";
import { catalogue } from "../../src/events/catalogue.ts";
import type { QueueStats, SiteStats } from "../../src/queue/queue.ts";
import { finalStates, openStates } from "../../src/spool/recipient-state.ts";
import type { FoundRecipient, Spool, StoredMessage, StoredRecipient } from "../../src/spool/spool.ts";
import { checkCopies, checkDrained, checkFinalStates, checkMailboxes, checkNothingLost } from "./check-copies.ts";
import {
  checkArrivals,
  checkExpiredInTime,
  checkFalseExpiry,
  checkLastAttempts,
  checkSteps,
  checkStepsBack,
} from "./check-clocks.ts";
import { checkAnswers, checkNames } from "./check-names.ts";
import { checkDailyReports, checkGathered, checkOwed, checkReports, checkWarnings } from "./check-reports.ts";
import { checkAttempts, checkExpiry, checkLateness, checkLostClaims } from "./check-schedule.ts";
import { checkBusySites, checkLimits, checkRests, checkRestsLast, checkSessions, checkStorms } from "./check-sites.ts";
import { checkFairness, checkLocal, checkOrder, checkTurns } from "./check-turns.ts";
import { checkAddresses, checkMailboxLimits, checkPromises, checkSevenBit, checkShares } from "./check-shares.ts";
import { checkAutomatic, checkHeld, checkLostContent } from "./check-held.ts";
import { checkCounts, checkReloads, checkRetries, checkVerbs } from "./check-operators.ts";
import { checkOverload } from "./check-overload.ts";
import { checkTls } from "./check-tls.ts";
import { deliveriesOf } from "./deliveries.ts";
import { lineOf, type Machine } from "./machine.ts";
import { neverRefuses } from "./receivers.ts";
import type { Sent } from "./workload.ts";
import type { Rows, WorldView } from "./world-view.ts";

/**
 * Safety: what must never happen, whatever goes wrong. Looked at while faults still go on, and once more at the end. Where
 * no server runs, nobody can look into its spool.
 */
export async function checkSafety(view: WorldView): Promise<readonly string[]> {
  const { spool } = view.machine;
  return spool === undefined ? view.faults.problems : await safety(view, await everything(spool));
}

/** Liveness: after the world is in order again and had time, everything must have ended well. */
export async function checkEnd(view: WorldView): Promise<readonly string[]> {
  const { machine, faults } = view;
  const { spool } = machine;
  if (spool === undefined) return [...faults.problems, "no server runs at the end"];
  const rows = await everything(spool);
  return [
    ...(await safety(view, rows)),
    ...checkDrained(rows),
    // What was sent and is not recorded yet has no history: these look at stories that have ended.
    ...checkCopies(view, rows),
    ...checkReports(view, rows),
    ...(await checkOwed(spool)),
    ...checkDailyReports(view, rows),
    ...checkCounts(view, rows),
  ];
}

async function safety(view: WorldView, rows: Rows): Promise<readonly string[]> {
  const deliveries = deliveriesOf(view, rows);
  return [
    ...view.faults.problems,
    ...checkNothingLost(view, rows),
    ...checkRefusals(view),
    ...checkFinalStates(view, rows),
    ...(await checkMailboxes(view, rows)),
    ...checkCauses(view, rows),
    ...checkGathered(view, rows),
    ...checkWarnings(view, rows),
    ...checkStory(view, rows),
    ...checkAttempts(view, rows),
    ...checkLostClaims(view, rows),
    ...checkExpiry(view, rows),
    ...checkLateness(view, rows),
    ...checkSteps(view),
    ...checkStepsBack(view),
    ...checkFalseExpiry(view),
    ...checkArrivals(view, rows),
    ...checkExpiredInTime(view, rows),
    ...checkLastAttempts(view, rows, deliveries),
    ...checkSessions(view),
    ...checkLimits(view, deliveries),
    ...checkBusySites(view, deliveries),
    ...checkRests(view, deliveries),
    ...checkRestsLast(view, deliveries),
    ...checkStorms(view),
    ...checkNames(view),
    ...checkAnswers(view, rows),
    ...checkFairness(view, rows),
    ...checkOrder(view, deliveries),
    ...checkTurns(view, deliveries),
    ...checkLocal(view, deliveries),
    ...checkPromises(view, rows),
    ...checkShares(view, deliveries),
    ...checkAddresses(view, deliveries),
    ...checkMailboxLimits(view, deliveries),
    ...checkSevenBit(view),
    ...checkAutomatic(view, rows),
    ...checkHeld(view, rows),
    ...checkLostContent(view),
    ...checkTls(view, rows),
    ...checkOverload(view),
    ...checkVerbs(view, rows),
    ...checkRetries(view, rows),
    ...checkReloads(view, rows),
    ...checkLog(view.machine),
  ];
}

/** While things go wrong: nothing that is due waits without a reason. */
export async function checkNow({ machine }: WorldView, lastTrouble: number): Promise<readonly string[]> {
  const { spool, clock } = machine;
  // Claims outlive a crash by their lease, sites rest for a while; both are shorter than this.
  const patienceMs = 45 * 60_000;
  if (spool === undefined || clock.monotonicMs() - lastTrouble < patienceMs) return [];
  const problems: string[] = [];
  const found = await spool.find({ states: ["scheduled"] }, { limit: 100_000 });
  const overdue = found.filter(({ recipient }) => recipient.due < clock.now() - patienceMs);
  if (overdue.length === 0) return [];
  const { sites } = (await machine.api("/api/v1/queue/sites")) as {
    readonly sites: { readonly queue: QueueStats; readonly sites: readonly SiteStats[] };
  };
  // Every delivery that there may be is under way; what was not answered of late gets three quarters, its reports half.
  if (sites.queue.running * 2 >= sites.queue.runningMax) return [];
  // That a site rests is a reason, and that it has all the deliveries that it may have; the queue's being paused is none.
  const busy = sites.sites.filter(({ restingUntil, running, limit }) => restingUntil !== undefined || running >= limit);
  const excused = new Set(busy.map(({ description }) => description));
  for (const { recipient } of overdue) {
    if (excused.has(siteOf(machine, recipient.domain))) continue;
    problems.push(
      `${recipient.message} for ${recipient.address} is past due since ${recipient.due}, and nothing says why`,
    );
  }
  return problems;
}

/** As the server describes it to people. */
function siteOf({ settings }: Machine, domain: string): string {
  const route = settings.route?.find((one) => one.domain === domain);
  if (route?.via === "relay") return `relay ${route.host}:25`;
  return domain === "example.org" ? "maildir" : `mx ${domain}`;
}

/** Long after the world is in order, a server has nothing to do; then it has nothing in memory, and leaves its disk alone. */
export async function checkAtRest({ machine }: WorldView, wait: () => Promise<void>): Promise<readonly string[]> {
  const { spool, clock } = machine;
  if (spool === undefined) return ["no server runs at the end"];
  const open = await spool.find({ states: ["scheduled", "claimed"] }, { limit: 1_000 });
  // Reports of the day may be on their way.
  const old = open.filter(({ message }) => message.receivedAt < clock.now() - 12 * 3_600_000);
  const problems = old.map(({ recipient }) => `${recipient.message} for ${recipient.address} still waits`);
  if (open.length > 0) return problems;
  const answer = (await machine.api("/api/v1/queue/sites")) as {
    readonly sites: { readonly queue: Readonly<Record<string, unknown>> };
  };
  const { queue } = answer.sites;
  for (const what of ["ready", "running", "unrecorded"]) {
    if (queue[what] !== 0) problems.push(`nothing is to be done, and the queue counts ${String(queue[what])} ${what}`);
  }
  const before = spool.calls;
  await wait();
  // Reports of the day may be made and sent meanwhile; what is forgotten in memory has its lease renewed 24 times.
  const calls = spool.calls - before;
  if (calls > 20) problems.push(`nothing is to be done, and the spool was asked ${calls} times in two hours`);
  return problems;
}

async function everything(spool: Spool): Promise<Rows> {
  const found = await spool.find({ states: [...finalStates, ...openStates] }, { limit: 1_000_000 });
  const rows = new Map<string, { message: StoredMessage; recipients: StoredRecipient[] }>();
  for (const { message, recipient } of found as readonly FoundRecipient[]) {
    const row = rows.get(message.id) ?? { message, recipients: [] };
    row.recipients.push(recipient);
    rows.set(message.id, row);
  }
  return await Promise.all(
    [...rows.values()].map(async (row) => ({ ...row, events: await spool.events(row.message.id) })),
  );
}

/** Nobody is turned away for good who may send. */
function checkRefusals({ workload, faults }: WorldView): readonly string[] {
  return workload.sent.flatMap(({ marker, outcome }) => {
    const said =
      outcome?.kind === "accepted" ? outcome.refusals : outcome?.kind === "refused" ? outcome.reply.split("; ") : [];
    return said
      .filter((reply) => reply.startsWith("5"))
      .filter((reply) => !(reply.includes("bob@example.org") && faults.happened("user-removed")))
      .map((reply) => `${marker} was refused: ${reply}`);
  });
}

/**
 * Nothing fails without a cause: a recipient that failed was refused by a server with 5yz, and one that a server refused
 * with 5yz is not tried again. A server that refuses us before it has heard of any mail is not believed until the
 * message is as old as this world's warning of a delay.
 */
function checkCauses({ receivers, numbers }: WorldView, rows: Rows): readonly string[] {
  const problems: string[] = [];
  const friendly = new Set(
    receivers.filter(({ character }) => neverRefuses.has(character)).map(({ domain }) => domain),
  );
  for (const { message, recipients, events } of rows) {
    for (const event of events) {
      const age = event.at - message.receivedAt;
      if (event.kind === "recipient-failed" && isDoorRefusal(event) && age < numbers.warnAfterMs) {
        problems.push(`${message.id} for ${event.address} failed at once by ${replyOf(event)}, said to all our mail`);
      }
      if (event.kind === "recipient-deferred" && /^5\d\d /.test(replyOf(event)) && !isDoorRefusal(event)) {
        problems.push(`${message.id} for ${event.address} was refused with ${replyOf(event)} and is tried again`);
      }
    }
    for (const { address, domain, state, lastReply } of recipients) {
      const refused = address.startsWith("no-") || domain.endsWith("unknown.test");
      if (state === "failed" && friendly.has(domain) && !refused) {
        problems.push(`${message.id} failed for ${address}, whose server refuses nobody: ${lastReply}`);
      }
    }
  }
  return problems;
}

type UnsuccessfulAttempt = Extract<HistoryEvent, { kind: "recipient-deferred" | "recipient-failed" }>;

function replyOf({ attempt }: UnsuccessfulAttempt): string {
  return attempt.outcome.diagnostic?.text ?? "";
}

/** 554 and the like before any mail was spoken of. */
function isDoorRefusal({ attempt }: UnsuccessfulAttempt): boolean {
  const { code = 0, command = "" } = attempt.outcome.diagnostic ?? {};
  return code >= 500 && /^(?:greeting|EHLO|HELO)$/.test(command);
}

/** The last event of each recipient tells the state that it is in, the only final one it has; and so did the log. */
function checkStory({ machine }: WorldView, rows: Rows): readonly string[] {
  const problems: string[] = [];
  const logged = new Set(
    machine.events.map(({ name, fields }) => `${name} ${String(fields["message"])} ${String(fields["recipient"])}`),
  );
  for (const { message, recipients, events } of rows) {
    // Of a report, its original tells the beginning.
    const isOurs = message.origin.listener === "local";
    if (!isOurs && events[0]?.kind !== "message-accepted")
      problems.push(`the history of ${message.id} does not begin with its acceptance`);
    for (const { index, state, address } of recipients) {
      if (!(finalStates as readonly string[]).includes(state)) continue;
      const own = events.filter((event) => "recipient" in event && event.recipient === index);
      const last = own.at(-1);
      if (last?.kind !== `recipient-${state}`) {
        problems.push(`${message.id} for ${address} is ${state}, and its history ends with ${last?.kind}`);
      }
      const ends = own.filter(({ kind }) => finalKinds.has(kind)).length;
      if (ends > 1) problems.push(`${message.id} for ${address} is ${state}, and its history tells of ${ends} ends`);
      if (state !== "removed" && !logged.has(`recipient-${state} ${message.id} ${address}`))
        problems.push(`${message.id} for ${address} is ${state}, and the log does not say so`);
    }
  }
  return problems;
}

const finalKinds: ReadonlySet<string> = new Set(finalStates.map((state) => `recipient-${state}`));

function checkLog({ events }: Machine): readonly string[] {
  return events
    .filter(({ name }) => name === "internal-error")
    .map((event) => `${catalogue["internal-error"].meaning} ${lineOf(event)}`);
}

export function summary(sent: readonly Sent[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { outcome } of sent) {
    const kind = outcome?.kind ?? "under way";
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}
