/**
 * A disk in simulated time over a disk in memory: each operation takes a while, the disk can be slow, full, or fail to
 * sync, and a crash leaves some of what was not synced. All chance is from a seed.
 */
import type { Clock } from "../ports/clock.ts";
import { FileError, type FileFacts, type Files, type OpenFile, type OpenMode } from "../ports/files.ts";
import type { Random } from "../ports/random.ts";
import { MemoryFiles } from "./memory-files.ts";

export interface SimulatedFilesOptions {
  readonly clock: Clock;
  readonly random: Random;
}

/** A solid-state disk: most operations hit the cache, a sync takes a fraction of a millisecond. */
const syncMs = { least: 0.2, most: 1.5 };

export class SimulatedFiles implements Files {
  /** What is on it, without waiting: for those who look at the end. */
  readonly memory: MemoryFiles;
  /** Factor on the time that a sync takes. */
  slowness = 1;
  /** Milliseconds that each sync takes longer below these folders, as on a file system of a network that hangs. */
  readonly hanging = new Map<string, number>();
  /** Chance that a sync fails with EIO. */
  syncFailures = 0;
  /** Called before each sync with its path, and may crash the machine. */
  atSync: ((path: string) => void) | undefined;
  readonly #clock: Clock;
  readonly #random: Random;
  #hung = 0;

  constructor({ clock, random }: SimulatedFilesOptions) {
    this.#clock = clock;
    this.#random = random;
    this.memory = new MemoryFiles({ now: () => clock.now() });
  }

  /** How many syncs hang now. */
  get hung(): number {
    return this.#hung;
  }

  get space(): number {
    return this.memory.space;
  }

  set space(octets: number) {
    this.memory.space = octets;
  }

  /** The power fails. Of what was not synced, a part may be there. */
  crash(): void {
    this.memory.crash(() => this.#random.next());
  }

  async open(path: string, mode: OpenMode, permissions?: number): Promise<OpenFile> {
    const file = await this.memory.open(path, mode, permissions);
    const sync = async () => {
      await this.#beforeSync(path);
      await file.sync();
    };
    return {
      write: (bytes) => file.write(bytes),
      read: (position, length) => file.read(position, length),
      sync,
      close: () => file.close(),
      [Symbol.asyncDispose]: () => file.close(),
    };
  }

  readFile(path: string): Promise<Uint8Array> {
    return this.memory.readFile(path);
  }

  async replaceFile(path: string, bytes: Uint8Array, permissions?: number): Promise<void> {
    await this.#beforeSync(path);
    await this.memory.replaceFile(path, bytes, permissions);
  }

  makeDirectory(path: string, permissions?: number): Promise<void> {
    return this.memory.makeDirectory(path, permissions);
  }

  setPermissions(path: string, permissions: number): Promise<void> {
    return this.memory.setPermissions(path, permissions);
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#beforeSync(path);
    await this.memory.syncDirectory(path);
  }

  rename(from: string, to: string): Promise<void> {
    return this.memory.rename(from, to);
  }

  remove(path: string): Promise<void> {
    return this.memory.remove(path);
  }

  list(path: string): Promise<readonly string[]> {
    return this.memory.list(path);
  }

  stat(path: string): Promise<FileFacts | undefined> {
    return this.memory.stat(path);
  }

  freeBytes(path: string): Promise<number> {
    return this.memory.freeBytes(path);
  }

  async #beforeSync(path: string): Promise<void> {
    this.atSync?.(path);
    const { least, most } = syncMs;
    let hangsMs = 0;
    for (const [folder, ms] of this.hanging) if (path.startsWith(`${folder}/`)) hangsMs = ms;
    if (hangsMs > 0) this.#hung++;
    await this.#clock.sleep((least + this.#random.next() * (most - least)) * this.slowness + hangsMs);
    if (hangsMs > 0) this.#hung--;
    if (this.#random.next() < this.syncFailures) throw new FileError("EIO", `EIO: sync '${path}'`);
  }
}
