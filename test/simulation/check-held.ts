/** Nothing is held in silence, honest automatic mail not at all, and circles of it are slowed down. */
import type { Rows, WorldView } from "./world-view.ts";

const hourMs = 3_600_000;
/** `queue.loop_limit`, and how many times more automatic mail may be within `queue.loop_window`, ten minutes. */
const automaticMax = 20 * 5;
const crowdMs = 3 * 60_000;
/** The limit at once, a third of it in the time, and what was slowed down before and comes when its time is up. */
const crowdMax = 1.5 * automaticMax;

/** What is held, and whose message is older than a day, is told each day: in the log, and to the postmaster. */
export function checkHeld({ machine, faults }: WorldView, rows: Rows): readonly string[] {
  if (faults.clockJumps > 0) return [];
  const told = machine.events.filter(({ name }) => name === "mail-held-long").map(({ at }) => at);
  return rows.flatMap(({ message, recipients, events }) =>
    recipients.flatMap(({ index, address }) => {
      const own = events.filter((event) => "recipient" in event && event.recipient === index);
      return own.flatMap((held, number) => {
        if (held.kind !== "recipient-held") return [];
        // It is looked for each hour, and told once a day for all that is held.
        const from = Math.max(held.at, message.receivedAt + 24 * hourMs);
        const to = from + 1.5 * hourMs;
        const end = own[number + 1]?.at ?? machine.clock.now();
        const life = machine.lives.find((one) => one.from <= from && to <= one.to);
        if (end < to || life === undefined || faults.diskTroubled(from - hourMs, to)) return [];
        if (told.some((at) => at >= from - 24 * hourMs && at <= to)) return [];
        return [`${message.id} for ${address} was held for days, and nobody was told`];
      });
    }),
  );
}

/** What is due while its content is missing is held for a person, with that reason, and not deferred until it expires. */
export function checkLostContent({ machine, stage, faults, workload }: WorldView): readonly string[] {
  return stage.losses.flatMap(({ sent: { outcome, letter, marker, at: sentAt }, fromMs, toMs }) => {
    if (outcome?.kind !== "accepted" || toMs > machine.clock.monotonicMs()) return [];
    if (workload.operations.some((at) => at >= sentAt && at <= toMs && !stage.operations.has(at))) return [];
    return letter.to.flatMap((path) => {
      const address = path.slice(1, path.indexOf(">"));
      const receiver = stage.receivers.find(({ domain }) => address.endsWith(`@${domain}`));
      if (faults.troubled(sentAt - 45 * 60_000, toMs, receiver)) return [];
      const meanwhile = machine.events.filter(
        ({ realMs, fields }) =>
          realMs >= fromMs && realMs <= toMs && fields["message"] === outcome.id && fields["recipient"] === address,
      );
      const last = meanwhile.at(-1);
      if (last?.name === "recipient-held" && /content .* is missing or damaged/.test(String(last.fields["reason"])))
        return [];
      return [`${marker} for ${address} has lost its content, and was not held for that: ${last?.name ?? "not tried"}`];
    });
  });
}

/** Automatic mail that was not here before is never held; of a circle, few rounds within a window get through. */
export function checkAutomatic({ receivers, faults }: WorldView, rows: Rows): readonly string[] {
  const problems: string[] = [];
  for (const { message, events } of rows) {
    for (const event of events) {
      if (event.kind === "recipient-held" && event.by === "loop-breaker" && !message.facts.ownReceived)
        problems.push(`${message.id} for ${event.address} was held, and has not been here before: ${event.reason}`);
    }
  }
  if (faults.clockJumps > 0) return problems;
  for (const { domain, character, copies } of receivers) {
    if (character !== "auto-responder") continue;
    const times = copies.filter(({ automatic }) => automatic).map(({ at }) => at);
    const crowd = times.findIndex((at, index) => (times[index + crowdMax] ?? Infinity) - at < crowdMs);
    if (crowd >= 0) problems.push(`${domain} was given more than ${crowdMax} automatic answers in three minutes`);
  }
  return problems;
}
