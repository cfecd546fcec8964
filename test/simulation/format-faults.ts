/**
 * Upgrades and rollbacks: what is done when another program was installed, which knows another format of the spool. The
 * newer one is just started. Before the older one the newer one has to take the spool back; whoever forgets that is refused,
 * and nothing has changed.
 */
import { isDeepStrictEqual } from "node:util";
import { SpoolError } from "../../src/spool/spool.ts";
import type { Machine } from "./machine.ts";

export type FormatFaultKind = "upgrade" | "rollback";

/** Starts the program that is installed, and gives what it did that it may not. Rejects as {@link Machine.start} does. */
export async function startInstalled(machine: Machine): Promise<readonly string[]> {
  if (!(await machine.needsWayBack())) {
    await machine.start();
    return [];
  }
  const problems = await startTooEarly(machine);
  await machine.takeSpoolBack();
  await machine.start();
  return problems;
}

/** The way back is forgotten. */
async function startTooEarly(machine: Machine): Promise<readonly string[]> {
  const before = await machine.spoolFiles();
  const crashes = machine.deaths.length;
  const refusal = await machine.start().catch((error: unknown) => error);
  if (machine.deaths.length > crashes) return [];
  const problems: string[] = [];
  if (refusal instanceof SpoolError && refusal.code === "newer-format") machine.refusals++;
  else problems.push(`an older program did not refuse a newer spool: ${String(refusal)}`);
  if (!isDeepStrictEqual(await machine.spoolFiles(), before)) problems.push("an older program changed a newer spool");
  return problems;
}
