/** What DNS says is heard, is believed for as long as it says so, and nothing that somebody else says. */
import { forgedAddress } from "../../src/testing/simulated-dns.ts";
import type { Rows, WorldView } from "./world-view.ts";
import { mayBeCrowded, takesMinutes } from "./receivers.ts";

/** After trouble, that mail waits for its turn. */
const troubleMs = 45 * 60_000;
/** As long as an attempt may take that began with a look-up. */
const attemptMs = 60 * 60_000;

/** Nobody connects to an address that was given up when nobody can know it any more, or to one that no server told. */
export function checkNames(view: WorldView): readonly string[] {
  const { machine, receivers, faults } = view;
  const problems: string[] = [];
  if (machine.dialled.some(({ address }) => address === forgedAddress)) {
    problems.push(`${forgedAddress} was tried, of which only forged answers tell`);
  }
  // Mail that waits for its turn keeps the route that was found for it, for as long as slow peers take.
  const isCrowded = mayBeCrowded(view);
  for (const receiver of receivers) {
    const { domain, names, character } = receiver;
    if (isCrowded || character === "leisurely" || takesMinutes.has(character)) continue;
    for (const { address, from, to } of names.changes) {
      const late = machine.dialled.find((dialled) => dialled.address === address && dialled.at > to);
      if (late === undefined || faults.troubled(to - troubleMs, late.at, receiver)) continue;
      const minutes = [late.at - from, to - from].map((ms) => Math.round(ms / 60_000));
      problems.push(
        `${domain} left ${address}, which was tried ${minutes[0]} minutes later; ${minutes[1]} are allowed`,
      );
    }
  }
  return problems;
}

/** While one server is well, and the way to it, mail does not wait for DNS. */
export function checkAnswers({ faults }: WorldView, rows: Rows): readonly string[] {
  if (faults.clockJumps > 0) return [];
  return rows.flatMap(({ message, events }) =>
    events
      .filter((event) => event.kind === "recipient-deferred")
      .filter(({ at, attempt }) => attempt.outcome.status === "4.4.3" && !faults.dnsTroubled(at - attemptMs, at))
      .map(({ address, attempt: { outcome } }) => {
        const said = outcome.diagnostic?.text ?? "no reason is told";
        return `${message.id} for ${address} waits, though DNS was well: ${said}`;
      }),
  );
}
