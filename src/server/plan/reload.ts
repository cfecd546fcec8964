/** A reload of a running server: the settings are read anew, and then every part has them, or none. */
import type { ReloadResult, RunningServer, ServerPlan } from "../../cli/running-server.ts";
import { ConfigError } from "../../config/config-problem.ts";
import { needsRestart } from "../../config/settings-views.ts";
import { errorText } from "../../lib/error-text.ts";
import { InTurn } from "../../lib/in-turn.ts";
import type { Opening } from "./part.ts";
import { logTrouble } from "../../spool/spool-trouble.ts";

/** Two reloads at once (a signal and a request, or two of either) would mix their settings: the second one waits. */
export function reloadInTurn(opening: Opening): RunningServer["reload"] {
  const turns = new InTurn();
  let inForce = opening.plan.reload;
  const readAndApply = async (read = inForce) => {
    const result = await reload(opening, read);
    if (result.ok) inForce = read;
    return result;
  };
  return (read) => turns.run(() => readAndApply(read));
}

async function reload({ settings, ports: { log }, parts }: Opening, read: ServerPlan["reload"]): Promise<ReloadResult> {
  if (!read) return { ok: false, error: "this server has no configuration file" };
  try {
    const next = await read();
    // What only a restart changes is still as it was at the start.
    const fixed = needsRestart(settings, next);
    if (fixed !== undefined) throw new Error(fixed);
    const prepared = await parts.prepare(next);
    // Nothing else happens between the first and the last of them.
    for (const { name, apply } of prepared) {
      try {
        apply();
      } catch (error) {
        // A bug. The other parts go on: half of a reload is worse than all but one part.
        logTrouble(log, `applying the settings of ${name}`, error);
      }
    }
  } catch (error) {
    const text = errorText(error);
    const problems = error instanceof ConfigError ? error.problems : undefined;
    log.event("settings-refused", { error: text, problems });
    return { ok: false, error: text };
  }
  log.event("settings-reloaded", {});
  return { ok: true };
}
