/**
 * What must hold, whatever went wrong. Each checker looks at the whole world, books of clients and receivers, spool,
 * mailboxes and log, and says in a sentence what does not hold.
 */
import { logEvents } from "../../src/events/log-events.ts";
import type { HistoryEvent } from "../../src/events/history-event.ts";
import { finalStates, openStates } from "../../src/spool/recipient-state.ts";
import type { FoundRecipient, Spool, StoredMessage, StoredRecipient } from "../../src/spool/spool.ts";
import type { FaultInjector } from "./faults.ts";
import { aliasTargets, type Machine } from "./machine.ts";
import type { Character, Copy, Receiver } from "./receivers.ts";
import type { Sent, Workload } from "./workload.ts";

export interface WorldView {
  readonly machine: Machine;
  readonly receivers: readonly Receiver[];
  readonly workload: Workload;
  readonly faults: FaultInjector;
  readonly deliveriesPerSiteMax: number;
}

interface Row {
  readonly message: StoredMessage;
  readonly recipients: readonly StoredRecipient[];
}

/** After the world is in order again and had time: everything must have ended well. */
export async function checkEnd(view: WorldView): Promise<readonly string[]> {
  const { machine } = view;
  const problems = [...view.faults.problems];
  const { spool } = machine;
  if (spool === undefined) return [...problems, "no server runs at the end"];
  const rows = await everything(spool);
  problems.push(...checkNothingLost(view, rows));
  problems.push(...checkDrained(rows));
  problems.push(...(await checkFinalStates(view, rows)));
  problems.push(...checkReports(rows));
  problems.push(...checkCopies(view));
  problems.push(...(await checkCauses(view, spool, rows)));
  problems.push(...(await checkStory(spool, rows)));
  problems.push(...(await checkAttempts(view, spool, rows)));
  problems.push(...checkSites(view));
  problems.push(...checkLog(machine));
  return problems;
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
  const { sites } = (await machine.api("/api/v1/queue/sites")) as { readonly sites: unknown };
  const told = JSON.stringify(sites);
  for (const { recipient } of overdue) {
    if (told.includes(recipient.domain)) continue;
    problems.push(
      `${recipient.message} for ${recipient.address} is past due since ${recipient.due}, and nothing says why`,
    );
  }
  return problems;
}

async function everything(spool: Spool): Promise<readonly Row[]> {
  const found = await spool.find({ states: [...finalStates, ...openStates] }, { limit: 1_000_000 });
  const rows = new Map<string, { message: StoredMessage; recipients: StoredRecipient[] }>();
  for (const { message, recipient } of found as readonly FoundRecipient[]) {
    const row = rows.get(message.id) ?? { message, recipients: [] };
    row.recipients.push(recipient);
    rows.set(message.id, row);
  }
  return [...rows.values()];
}

/** 250 means safe: every recipient that was taken is there, once. */
function checkNothingLost({ workload }: WorldView, rows: readonly Row[]): readonly string[] {
  const problems: string[] = [];
  const byId = new Map(rows.map((row) => [row.message.id, row]));
  for (const { marker, letter, outcome } of workload.sent) {
    if (outcome?.kind !== "accepted") continue;
    const row = byId.get(outcome.id);
    if (row === undefined) {
      problems.push(`${marker} was answered 250 as ${outcome.id} and is gone`);
      continue;
    }
    for (const index of outcome.accepted) {
      const address = addressIn(letter.to[index] ?? "");
      for (const target of aliasTargets[address] ?? [address]) {
        const count = row.recipients.filter((one) => one.address === target).length;
        if (count !== 1) problems.push(`${marker} ${outcome.id} has its recipient ${target} ${count} times`);
      }
    }
  }
  return problems;
}

function checkDrained(rows: readonly Row[]): readonly string[] {
  return rows.flatMap(({ message, recipients }) =>
    recipients
      .filter(({ state }) => state === "scheduled" || state === "claimed")
      .map(({ address, state, due }) => `${message.id} for ${address} is still ${state}, due at ${due}`),
  );
}

/** What the spool says became of a recipient is what the world saw. */
async function checkFinalStates(view: WorldView, rows: readonly Row[]): Promise<readonly string[]> {
  const problems: string[] = [];
  const copies = new Map<string, Copy[]>();
  for (const receiver of view.receivers) {
    for (const copy of receiver.copies) {
      const key = `${copy.id} ${copy.recipient}`;
      const list = copies.get(key);
      if (list === undefined) copies.set(key, [copy]);
      else list.push(copy);
    }
  }
  const mail = new Map<string, string>();
  for (const user of ["ann", "bob"]) mail.set(`${user}@example.org`, (await view.machine.mailbox(user)).join("\n"));
  for (const { message, recipients } of rows) {
    for (const { address, state } of recipients) {
      const got = copies.get(`${message.id} ${address}`) ?? [];
      const yes = got.some(({ answer }) => answer.startsWith("2"));
      if (state === "relayed" && !yes) problems.push(`${message.id} is relayed to ${address}, who never took it`);
      if (state === "delivered" && !new RegExp(`\\bid ${message.id}\\b`).test(mail.get(address) ?? "")) {
        // A report of ours bears no Received field with its own id: it is known by its marker.
        if (message.reportOn === undefined)
          problems.push(`${message.id} is delivered to ${address}, whose mailbox lacks it`);
      }
    }
  }
  return problems;
}

/** A report where one is owed, none where none may be. */
function checkReports(rows: readonly Row[]): readonly string[] {
  const problems: string[] = [];
  const reports = new Map<string, StoredMessage[]>();
  for (const { message } of rows) {
    if (message.reportOn === undefined) continue;
    const list = reports.get(message.reportOn) ?? [];
    list.push(message);
    reports.set(message.reportOn, list);
  }
  const byId = new Map(rows.map((row) => [row.message.id, row]));
  for (const [on, list] of reports) {
    const original = byId.get(on);
    if (original?.message.reversePath === "")
      problems.push(`${list[0]?.id} reports on ${on}, whose reverse-path is null`);
    for (const { id, reversePath } of list)
      if (reversePath !== "") problems.push(`the report ${id} has a reverse-path`);
  }
  for (const { message, recipients } of rows) {
    if (message.reversePath === "") continue;
    const owed = recipients.filter(
      ({ state, notify }) =>
        (state === "failed" || state === "expired") && (notify === undefined || notify.includes("FAILURE")),
    );
    if (owed.length > 0 && !reports.has(message.id)) {
      problems.push(`${message.id} failed for ${owed[0]?.address}, and its sender was not told`);
    }
  }
  return problems;
}

/**
 * At most one copy more for each crash and each reply that may have been lost. A copy whose reply was a clear yes over a
 * path that nothing disturbed is the last one, but for a crash before it was recorded.
 */
function checkCopies({ machine, receivers, faults }: WorldView): readonly string[] {
  const problems: string[] = [];
  for (const receiver of receivers) {
    const byRecipient = new Map<string, Copy[]>();
    for (const copy of receiver.copies) {
      const key = `${copy.id} ${copy.recipient}`;
      const list = byRecipient.get(key) ?? [];
      list.push(copy);
      byRecipient.set(key, list);
    }
    for (const [key, copies] of byRecipient) {
      const sure = copies.filter(({ answer }) => /^2\d\d/.test(answer)).length;
      const excuses = machine.deaths.length + (faults.disturbances.get(receiver.address)?.length ?? 0);
      if (copies.some(({ whole }) => !whole)) problems.push(`${receiver.domain} was given ${key} with another body`);
      if (sure > 1 + excuses)
        problems.push(`${receiver.domain} was given ${key} ${sure} times, ${excuses} times with an excuse`);
    }
  }
  return problems;
}

/**
 * Nothing fails without a cause: a recipient that failed was refused by a server with 5yz, and one that a server refused
 * with 5yz is not tried again. Reports name only those whose failure is to be told.
 */
async function checkCauses({ receivers }: WorldView, spool: Spool, rows: readonly Row[]): Promise<readonly string[]> {
  const problems: string[] = [];
  const friendly = new Set(
    receivers.filter(({ character }) => neverRefuses.has(character)).map(({ domain }) => domain),
  );
  for (const { message, recipients } of rows) {
    const events = await spool.events(message.id);
    for (const event of events) {
      if (event.kind === "recipient-deferred" && /^5\d\d /.test(replyOf(event))) {
        problems.push(`${message.id} for ${event.address} was refused with ${replyOf(event)} and is tried again`);
      }
      if (event.kind === "report-queued" && event.action === "failed") {
        for (const address of event.recipients) {
          const told = recipients.find((one) => one.address === address || one.acceptedAs === address);
          if (told?.notify !== undefined && !told.notify.includes("FAILURE")) {
            problems.push(`${message.id} reported the failure of ${address}, who wanted ${told.notify.join()} only`);
          }
        }
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

const neverRefuses: ReadonlySet<Character> = new Set([
  "healthy",
  "greylister",
  "rate-limiter",
  "busy-421",
  "drops-connections",
  "loses-replies",
  "slow-to-answer",
  "moves",
]);

function replyOf({ attempt }: Extract<HistoryEvent, { kind: "recipient-deferred" }>): string {
  const { outcome } = attempt;
  return "diagnostic" in outcome ? (outcome.diagnostic?.text ?? "") : "";
}

/** The last event of each recipient tells the state that it is in. */
async function checkStory(spool: Spool, rows: readonly Row[]): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const { message, recipients } of rows) {
    const events = await spool.events(message.id);
    // Of a report, its original tells the beginning.
    if (message.reportOn === undefined && events[0]?.kind !== "message-accepted")
      problems.push(`the history of ${message.id} does not begin with its acceptance`);
    for (const { index, state, address } of recipients) {
      if (!(finalStates as readonly string[]).includes(state)) continue;
      const last = events.findLast((event) => "recipient" in event && event.recipient === index);
      if (last?.kind !== `recipient-${state}`) {
        problems.push(`${message.id} for ${address} is ${state}, and its history ends with ${last?.kind}`);
      }
    }
  }
  return problems;
}

/** Retry times follow the schedule: no attempt follows a deferral sooner than the jitter allows, but by order or crash. */
async function checkAttempts(view: WorldView, spool: Spool, rows: readonly Row[]): Promise<readonly string[]> {
  const problems: string[] = [];
  const scheduleMs = [5, 10, 20, 40, 60, 120, 240].map((minutes) => minutes * 60_000);
  const freely = view.machine.deaths.length + view.workload.retries.length;
  for (const { message, recipients } of rows) {
    const events = await spool.events(message.id);
    for (const { index, address } of recipients) {
      const deferrals = events.filter(
        (event): event is Extract<HistoryEvent, { kind: "recipient-deferred" }> =>
          event.kind === "recipient-deferred" && event.recipient === index,
      );
      let early = 0;
      for (const [number, event] of deferrals.entries()) {
        const next = deferrals[number + 1];
        if (next === undefined) break;
        const delay = scheduleMs[Math.min(event.attempt.number, scheduleMs.length) - 1] ?? 0;
        const soon = event.due - event.at < 0.75 * delay;
        // The wall clock was set, or the peer asked for the rest in another transaction.
        if (!soon && next.at - event.at < 0.75 * delay) early++;
      }
      const jumps = view.faults.clockJumps;
      if (early > freely + jumps) problems.push(`${message.id} for ${address} was tried ${early} times too early`);
      // Two days of the schedule make some twenty; each crash and each order may add one.
      if (deferrals.length > 40 + freely + jumps) {
        problems.push(`${message.id} for ${address} was deferred ${deferrals.length} times`);
      }
    }
  }
  return problems;
}

function checkSites({ receivers, deliveriesPerSiteMax, machine, faults }: WorldView): readonly string[] {
  const problems: string[] = [];
  for (const { domain, mostSessions, address } of receivers) {
    // A session that died on the way lives on at the other end until somebody notices.
    const ghosts = (machine.deaths.length + (faults.disturbances.get(address)?.length ?? 0)) * deliveriesPerSiteMax;
    if (mostSessions > deliveriesPerSiteMax + ghosts) problems.push(`${mostSessions} sessions at once to ${domain}`);
  }
  return problems;
}

function checkLog({ events }: Machine): readonly string[] {
  return events
    .filter(({ name }) => name === "internal-error")
    .map(({ fields }) => `${logEvents["internal-error"].meaning} ${JSON.stringify(fields)}`);
}

function addressIn(path: string): string {
  return /<([^>]*)>/.exec(path)?.[1] ?? path;
}

export function summary(sent: readonly Sent[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { outcome } of sent) {
    const kind = outcome?.kind ?? "under way";
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}
