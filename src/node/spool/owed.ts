/** Reports that senders are owed, as far as this folder, which may not see `reporting`, has to know of them. */
import type { DatabaseSync } from "node:sqlite";
import { Query } from "./query.ts";

/** As in `reporting/owed-record.ts`, whose keys begin with the message's queue id. */
export const owedNamespace = "owed-reports";
/** As many messages as a person reads. */
const namedMax = 10;

/** Before format 2 a program knows nothing of owed reports: they would never be sent, and nobody would hear of it. */
export function owedObstacle(database: DatabaseSync): string | undefined {
  const owed = new Query<[message: string]>(
    database,
    "SELECT DISTINCT substr(key, 1, instr(key, '/') - 1) FROM records WHERE namespace = ? ORDER BY 1",
  ).all(owedNamespace);
  if (owed.length === 0) return undefined;
  const names = owed.slice(0, namedMax).map(([message]) => message);
  const more = owed.length > namedMax ? ` and ${owed.length - namedMax} others` : "";
  return (
    `senders have not yet received a report about ${names.join(", ")}${more}, and format 1 cannot keep that. Start this ` +
    "Posthaste once more and stop it when they have: failures are reported within a minute, delays within an hour"
  );
}
