/**
 * The user's home. A container may run under a uid that no passwd file knows, without HOME; then a folder below the
 * system's temporary one stands in, which belongs to that uid alone.
 */
import { lstatSync, mkdirSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** Throws when the folder that stands in belongs to someone else. */
export function homeFolder(): string {
  const home = knownHome();
  if (home !== undefined) return home;
  const uid = process.getuid?.() ?? 0;
  const folder = join(tmpdir(), `posthaste-home-${uid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const facts = lstatSync(folder);
  // Someone else could have made the folder first, to read what is kept in it.
  if (!facts.isDirectory() || facts.uid !== uid || (facts.mode & 0o077) !== 0) {
    throw new Error(`${folder} does not belong to uid ${uid} alone`);
  }
  return folder;
}

function knownHome(): string | undefined {
  try {
    return homedir() || undefined;
  } catch {
    return undefined;
  }
}
