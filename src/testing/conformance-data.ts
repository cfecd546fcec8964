/**
 * Where the standards' test vectors lie: the folder named by CONFORMANCE_DIR, by default `conformance` of the folder
 * `shared` beside the checkout. They are not part of the repository; tests that want them skip when they are absent.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";

const folder = process.env["CONFORMANCE_DIR"] ?? join(import.meta.dirname, "..", "..", "..", "shared", "conformance");

/** Path of a file or folder of the vectors, or undefined when it is not there: `t.skip("no data")`. */
export function conformancePath(...parts: readonly string[]): string | undefined {
  const path = join(folder, ...parts);
  return existsSync(path) ? path : undefined;
}
