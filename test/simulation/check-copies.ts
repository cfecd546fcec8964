/** Who got what: nothing that was answered 250 is lost, nobody gets it more often than can be helped, and all of it whole. */
import { crc32 } from "node:zlib";
import type { Rows, WorldView } from "./world-view.ts";
import type { Copy } from "./receivers.ts";
import { localUsers } from "./world.ts";

/** So long after it gave away the content an attempt has ended. */
const longestAttemptMs = 6 * 3_600_000;
/** What was sent before its sender's end may be taken that much later: octets on their way, and a receiver that is slow. */
const longestInFlightMs = 15 * 60_000;

/** 250 means safe: every recipient that was taken is there, once. */
export function checkNothingLost({ workload }: WorldView, rows: Rows): readonly string[] {
  const problems: string[] = [];
  const byId = new Map(rows.map((row) => [row.message.id, row]));
  for (const { marker, letter, leadsTo, outcome } of workload.sent) {
    if (outcome?.kind !== "accepted") continue;
    const row = byId.get(outcome.id);
    if (row === undefined) {
      problems.push(`${marker} was answered 250 as ${outcome.id} and is gone`);
      continue;
    }
    for (const index of outcome.accepted) {
      const address = addressIn(letter.to[index] ?? "");
      for (const target of leadsTo[address] ?? [address]) {
        const count = row.recipients.filter((one) => one.address === target).length;
        if (count !== 1) problems.push(`${marker} ${outcome.id} has its recipient ${target} ${count} times`);
      }
    }
  }
  return problems;
}

export function checkDrained(rows: Rows): readonly string[] {
  return rows.flatMap(({ message, recipients }) =>
    recipients
      .filter(({ state }) => state === "scheduled" || state === "claimed")
      .map(({ address, state, due }) => `${message.id} for ${address} is still ${state}, due at ${due}`),
  );
}

/** What the spool says became of a recipient is what the world saw. */
export function checkFinalStates({ receivers }: WorldView, rows: Rows): readonly string[] {
  const taken = new Set<string>();
  for (const { copies } of receivers) {
    for (const { id, recipient, answer } of copies) if (answer.startsWith("2")) taken.add(`${id} ${recipient}`);
  }
  return rows.flatMap(({ message, recipients }) =>
    recipients
      .filter(({ address, state }) => state === "relayed" && !taken.has(`${message.id} ${address}`))
      .map(({ address }) => `${message.id} is relayed to ${address}, who never took it`),
  );
}

/** What was delivered here is in its mailbox, once and whole. */
export async function checkMailboxes({ machine }: WorldView, rows: Rows): Promise<readonly string[]> {
  const problems: string[] = [];
  const found = new Map<string, number>();
  for (const user of localUsers) {
    for (const text of await machine.mailbox(user)) {
      const end = text.indexOf("\n\n");
      const header = text.slice(0, end + 1);
      const id = /^Received: [\s\S]*?\bid (\w{12})\b/m.exec(header)?.[1] ?? "";
      const key = `${id} ${user}@example.org`;
      found.set(key, (found.get(key) ?? 0) + 1);
      const sum = /^X-Simulation: \S+ (\d+)$/m.exec(header)?.[1];
      const body = Buffer.from(text.slice(end + 2).replaceAll("\n", "\r\n"), "latin1");
      if (end < 0 || (sum !== undefined && crc32(body) !== Number(sum)))
        problems.push(`the mailbox of ${user} has ${id} in pieces`);
    }
  }
  for (const { message, recipients } of rows) {
    for (const { address, state } of recipients) {
      if (state !== "delivered") continue;
      const count = found.get(`${message.id} ${address}`) ?? 0;
      if (count === 0) problems.push(`${message.id} is delivered to ${address}, whose mailbox lacks it`);
      if (count > 1) problems.push(`${message.id} is in the mailbox of ${address} ${count} times`);
    }
  }
  return problems;
}

/**
 * At most one copy more for each crash and each reply that may have been lost; one that suppresses duplicates by queue id
 * gets one in all, so the id stays the same. All are whole, and signed where we sign.
 */
export function checkCopies({ machine, receivers, faults, numbers }: WorldView, rows: Rows): readonly string[] {
  const problems: string[] = [];
  const attempts = attemptsOf(rows);
  // A stop forgets what the disk does not take, and says so.
  const forgot = machine.events.filter(({ fields }) => fields["where"] === "stopping the queue").length;
  for (const receiver of receivers) {
    const { domain, character, copies, line } = receiver;
    for (const [key, same] of Map.groupBy(copies, ({ id, recipient }) => `${id} ${recipient}`)) {
      if (same.some(({ whole }) => !whole)) problems.push(`${domain} was given ${key} with another body`);
      // Each copy has an attempt that is told of; of one that a crash ended nobody tells, of one whose lease ended the log.
      const [{ id, at: began } = { id: "", at: 0 }] = same;
      const lost = machine.events.filter(
        ({ name, fields }) => name === "claim-lost" && fields["message"] === id,
      ).length;
      const latest = (same.at(-1)?.at ?? began) + longestAttemptMs;
      const deaths = machine.lives.filter(({ to }) => to >= began - longestInFlightMs && to <= latest).length;
      const tried = (attempts.get(key) ?? 0) + deaths + lost + forgot;
      if (same.length > tried) problems.push(`${domain} was given ${key} ${same.length} times in ${tried} attempts`);
      const sure = same.filter(({ answer, repeated }) => /^2\d\d/.test(answer) && !repeated);
      for (const [number, { at }] of sure.entries()) {
        // The reply may have been on its way for as long as our patience lasts.
        const next = sure[number + 1]?.at ?? at;
        const wasSilent = line.silences.some((silent) => silent >= at && silent <= next);
        if (next > at && !wasSilent && !faults.repliesTroubled(at - longestInFlightMs, next, receiver))
          problems.push(`${domain} was given ${key} again ${next - at} ms after it had taken it, without an excuse`);
      }
    }
    if (character === "suppresses-duplicates") problems.push(...checkSuppressed(domain, copies));
    const unsigned = copies.find(({ author, signed }) => numbers.signs && isOfUser(author) && !signed);
    if (unsigned !== undefined) problems.push(`${domain} was given ${unsigned.id} of ${unsigned.author} unsigned`);
  }
  return problems;
}

/** Attempts of each recipient that the history has. */
function attemptsOf(rows: Rows): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { message, events } of rows) {
    for (const event of events) {
      if (!("attempt" in event)) continue;
      const key = `${message.id} ${event.address}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  return counts;
}

function checkSuppressed(domain: string, copies: readonly Copy[]): readonly string[] {
  const kept = copies.filter(({ marker, repeated }) => marker !== "report" && !repeated);
  return [...Map.groupBy(kept, ({ marker, recipient }) => `${marker} for ${recipient}`)]
    .filter(([, same]) => same.length > 1)
    .map(([key, same]) => `${domain} kept ${key} ${same.length} times: ${same.map(({ id }) => id).join()}`);
}

function isOfUser(author: string): boolean {
  return localUsers.some((user) => author === `${user}@example.org`);
}

function addressIn(path: string): string {
  return /<([^>]*)>/.exec(path)?.[1] ?? path;
}
