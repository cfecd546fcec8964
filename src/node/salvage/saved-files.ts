/**
 * Files of the salvaged spool: content that messages still need, and in `remains` what has no place in a spool any more,
 * for a person to look at. Large content gets a second name where the file system can, so that it costs no space.
 */
import { chownSync, copyFileSync, linkSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { QueueId } from "../../spool/queue-id.ts";
import { syncToDisk } from "../spool/captured-files.ts";
import { contentFileName } from "../spool/content-files.ts";

export class SavedFiles {
  readonly #from: string;
  readonly #to: string;
  /** Names below the new folder. */
  readonly remains: string[] = [];

  constructor(from: string, to: string) {
    this.#from = from;
    this.#to = to;
    mkdirSync(join(to, "content", "incoming"), { recursive: true, mode: 0o700 });
  }

  /** Octets of a message's content file; undefined: there is none. */
  contentSize(id: QueueId): number | undefined {
    return statSync(this.contentPath(id), { throwIfNoEntry: false })?.size;
  }

  contentPath(id: QueueId): string {
    return join(this.#from, "content", contentFileName(id));
  }

  keepContent(id: QueueId): void {
    this.#keep(join("content", contentFileName(id)));
  }

  /** Mail that format 1 captured. false: its file is not there. */
  keepCaptured(id: QueueId): boolean {
    const name = join("captured", `${id}.eml`);
    if (statSync(join(this.#from, name), { throwIfNoEntry: false }) === undefined) return false;
    this.#keep(name);
    return true;
  }

  leaveApart(name: string, bytes: Uint8Array | string): void {
    const path = join(this.#to, "remains", name);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, bytes, { mode: 0o600 });
    this.remains.push(join("remains", name));
  }

  /** Everything in the new folder survives a power loss, and belongs to whom the damaged spool belongs. */
  makeDurable(): void {
    const owner = statSync(this.#from);
    const isRoot = process.getuid?.() === 0;
    for (const name of [".", ...readdirSync(this.#to, { recursive: true, encoding: "utf8" })]) {
      const path = join(this.#to, name);
      if (isRoot) chownSync(path, owner.uid, owner.gid);
      syncToDisk(path);
    }
  }

  #keep(name: string): void {
    const [from, to] = [join(this.#from, name), join(this.#to, name)];
    mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
    try {
      linkSync(from, to);
    } catch {
      // Another file system, or one without second names.
      copyFileSync(from, to);
    }
  }
}
