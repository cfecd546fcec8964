/** An intake for messages of our own, without sessions or a queue around it. For tests only. */
import { Intake } from "../intake/intake.ts";
import { PolicyChain } from "../policy/policy-chain.ts";
import type { Clock } from "../ports/clock.ts";
import type { Spool } from "../spool/spool.ts";
import { SeededRandom } from "./seeded-random.ts";

export interface OwnMailParts {
  readonly spool: Pick<Spool, "begin">;
  readonly clock: Clock;
  readonly hostname: string;
  /** A message was stored. */
  readonly stored?: () => void;
}

export function intakeOfOwnMail({ spool, clock, hostname, stored = () => undefined }: OwnMailParts): Intake {
  return new Intake(
    {
      spool,
      clock,
      random: new SeededRandom(1),
      ids: { next: () => "UNNAMED" },
      policy: new PolicyChain([]),
      admission: { claimTerms: () => undefined },
      queue: { accepted: stored },
      reporter: { expandedReport: () => Promise.resolve(undefined) },
    },
    { hostname, hopLimit: 100, headerBytesMax: 64 * 1024 },
  );
}
