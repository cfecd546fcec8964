/** Takes the spool of a data directory, which nobody else has open, back to an older format. */
import { DatabaseSync } from "node:sqlite";
import { failureOf } from "./failure.ts";
import { downgrade, type FormatSteps, readVersion } from "./schema.ts";
import { SpoolError } from "../../spool/spool.ts";

export interface FormatChange {
  readonly from: number;
  readonly to: number;
}

/**
 * `target` undefined: one version back. Throws {@link SpoolError}. The caller holds the lock of the directory. `known` is
 * for tests: steps that this program does not have.
 */
export function downgradeSpool(directory: string, target: number | undefined, known?: FormatSteps): FormatChange {
  const database = new DatabaseSync(`${directory}/spool.db`);
  try {
    const from = readVersion(database);
    const to = target ?? from - 1;
    downgrade(database, to, known);
    return { from, to };
  } catch (error) {
    const { code, text } = failureOf(error);
    throw error instanceof SpoolError ? error : new SpoolError(code, text, { cause: error });
  } finally {
    database.close();
  }
}
