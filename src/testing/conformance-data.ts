/**
 * The standards' test vectors: where they are, and how a test reads a file of them.
 *
 * They are in the folder named by CONFORMANCE_DIR, by default `conformance` of the folder `shared` beside the checkout.
 * They are not part of the repository; tests that need them are skipped without them. Any folder of the same format will
 * do, with any part of the files; docs/testing.md describes the format.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";

const folder = process.env["CONFORMANCE_DIR"] ?? join(import.meta.dirname, "..", "..", "..", "shared", "conformance");

/** The reason of every test that is skipped because a file of the vectors is absent; the summary counts these. */
export const noConformanceData = "no conformance data";

/** Path of a file or folder of the vectors, or undefined when it is absent. */
export function conformancePath(...parts: readonly string[]): string | undefined {
  const path = join(folder, ...parts);
  return existsSync(path) ? path : undefined;
}

/** The same for a test that cannot do without: it is skipped when the path is absent. */
export function vectorPath(t: TestContext, ...parts: readonly string[]): string | undefined {
  const path = conformancePath(...parts);
  if (path === undefined) t.skip(noConformanceData);
  return path;
}

/** A JSON file of the vectors, or undefined, with the test skipped, when it is absent. */
export function readVectors<T>(t: TestContext, ...parts: readonly string[]): T | undefined {
  const path = vectorPath(t, ...parts);
  return path === undefined ? undefined : (JSON.parse(readFileSync(path, "utf8")) as T);
}

/** Thrown by {@link caseFile}; `runVectors` decides what follows. */
export class MissingFileError extends Error {
  constructor(name: string) {
    super(`${name} is absent`);
    this.name = "MissingFileError";
  }
}

/** A file that one case of a set needs: its message, its DNS. */
export function caseFile(...parts: readonly string[]): Buffer {
  const path = conformancePath(...parts);
  if (path === undefined) throw new MissingFileError(parts.join("/"));
  return readFileSync(path);
}
