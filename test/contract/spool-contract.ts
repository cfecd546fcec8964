/**
 * What every spool promises, as one suite: each implementation's test file calls it with a way to make an empty spool.
 * Time is a manual clock, so leases end and retries fall due without waiting. Each subject has its file in spool/.
 */
import { test } from "node:test";
import { acceptingContract } from "./spool/accepting.ts";
import { capturedContract } from "./spool/captured.ts";
import { claimingContract } from "./spool/claiming.ts";
import { leaseContract } from "./spool/leases.ts";
import { lifetimeContract } from "./spool/lifetime.ts";
import { operatorContract } from "./spool/operators.ts";
import { recordContract } from "./spool/records.ts";
import { settlingContract } from "./spool/settling.ts";
import type { Check, SpoolHarness } from "./spool-fixture.ts";

export function spoolContract(name: string, makeHarness: () => Promise<SpoolHarness>): void {
  const check: Check = (title, body) => {
    test(title, async () => {
      await using harness = await makeHarness();
      await body(harness);
    });
  };
  acceptingContract(name, check);
  claimingContract(name, check);
  leaseContract(name, check);
  settlingContract(name, check);
  operatorContract(name, check);
  recordContract(name, check);
  capturedContract(name, check);
  lifetimeContract(name, check);
}
