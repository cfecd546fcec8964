/** What DNS says is believed for as long as it says so, and nothing that somebody else says. */
import { forgedAddress } from "../../src/testing/simulated-dns.ts";
import type { WorldView } from "./checkers.ts";

/** Nobody connects to an address that was given up when nobody can know it any more, or to one that no server told. */
export function checkNames({ machine, receivers }: WorldView): readonly string[] {
  const problems: string[] = [];
  if (machine.dialled.some(({ address }) => address === forgedAddress)) {
    problems.push(`${forgedAddress} was tried, of which only forged answers tell`);
  }
  for (const { domain, names } of receivers) {
    for (const { address, from, to } of names.changes) {
      const late = machine.dialled.find((dialled) => dialled.address === address && dialled.at > to);
      if (late === undefined) continue;
      const minutes = [late.at - from, to - from].map((ms) => Math.round(ms / 60_000));
      problems.push(
        `${domain} left ${address}, which was tried ${minutes[0]} minutes later; ${minutes[1]} are allowed`,
      );
    }
  }
  return problems;
}
