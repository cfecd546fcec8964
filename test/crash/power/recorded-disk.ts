/**
 * What a disk may hold when the power goes, as POSIX has it: what was synced is there; of anything later any part may be,
 * a sector of a write without its neighbours, a name without its file's content, a removal that never happened. A
 * rename within a folder is one change; from one folder to another it is two, and either may be missing, which is
 * harsher than any file system in use.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import type { Call, Step } from "./trace.ts";

type Change =
  | { readonly kind: "write"; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: "truncate"; readonly size: number };
/** undefined: the name goes. */
type Naming = readonly (readonly [name: string, node: Node | undefined])[];

interface Unsynced<T> {
  readonly change: T;
  /** The call has returned: a sync that begins from here on covers it. */
  returned: boolean;
}

interface File {
  readonly kind: "file";
  durable: Buffer;
  pending: Unsynced<Change>[];
  /** As the running system sees it. */
  size: number;
}
interface Folder {
  readonly kind: "folder";
  readonly names: Map<string, Node>;
  readonly durable: Map<string, Node>;
  pending: Unsynced<Naming>[];
}
type Node = File | Folder;

/** What of the unsynced is on the disk. */
export interface Loss {
  readonly name: string;
  readonly keepsNaming: () => boolean;
  readonly keepsTruncation: () => boolean;
  /** Asked for each sector of each write. */
  readonly keepsSector: () => boolean;
  /** Power of two that divides a write into sectors. */
  readonly sectorBytes: number;
}

export class RecordedDisk {
  readonly #root: string;
  readonly #top: Folder = emptyFolder();
  readonly #open = new Map<Call, { readonly mark: () => void }>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Goes on by one step of the trace. */
  apply({ edge, call }: Step): void {
    if (call.kind === "say") return;
    if (edge === "begin") this.#begin(call);
    else this.#end(call);
  }

  /** How many changes a power loss now could take. */
  get unsynced(): number {
    const count = (node: Node): number =>
      node.kind === "file"
        ? node.pending.length
        : [...node.names.values()].reduce((sum, child) => sum + count(child), node.pending.length);
    return count(this.#top);
  }

  /** Writes into the folder, which is empty, what the disk holds after this loss. */
  write(folder: string, loss: Loss): void {
    writeFolder(this.#top, folder, loss);
  }

  #begin(call: Exclude<Call, { kind: "say" }>): void {
    if (call.kind === "write") {
      const file = this.#file(call.path);
      if (file === undefined) return;
      const at = call.at ?? file.size;
      const unsynced = { change: { kind: "write", at, bytes: call.bytes } as const, returned: false };
      file.pending.push(unsynced);
      file.size = Math.max(file.size, at + call.bytes.length);
      this.#open.set(call, { mark: () => (unsynced.returned = true) });
    } else if (call.kind === "sync") {
      const node = this.#node(call.path);
      if (node?.kind === "file") {
        const covered = node.pending.filter(({ returned }) => returned);
        this.#open.set(call, { mark: () => makeFileDurable(node, covered) });
      } else if (node?.kind === "folder") {
        const covered = [...node.pending];
        this.#open.set(call, { mark: () => makeNamesDurable(node, covered) });
      }
    }
  }

  #end(call: Exclude<Call, { kind: "say" }>): void {
    switch (call.kind) {
      case "write":
      case "sync":
        this.#open.get(call)?.mark();
        this.#open.delete(call);
        return;
      case "create": {
        const existing = this.#node(call.path);
        if (existing === undefined)
          this.#name([[call.path, { kind: "file", durable: Buffer.alloc(0), pending: [], size: 0 }]]);
        else if (existing.kind === "file" && call.truncates) truncate(existing, 0);
        return;
      }
      case "makeFolder":
        if (this.#node(call.path) === undefined) this.#name([[call.path, emptyFolder()]]);
        return;
      case "remove":
        this.#name([[call.path, undefined]]);
        return;
      case "rename": {
        const node = this.#node(call.from);
        if (node === undefined) throw new Error(`${call.from} is renamed, and was never made`);
        this.#name([
          [call.from, undefined],
          [call.to, node],
        ]);
        return;
      }
      case "truncate": {
        const file = this.#file(call.path);
        if (file !== undefined) truncate(file, call.size);
        return;
      }
      default:
        call satisfies never;
    }
  }

  /** Names in one folder change together. */
  #name(changes: readonly (readonly [path: string, node: Node | undefined])[]): void {
    const byFolder = new Map<Folder, (readonly [string, Node | undefined])[]>();
    for (const [path, node] of changes) {
      const slash = path.lastIndexOf("/");
      const folder = this.#node(path.slice(0, slash));
      if (folder?.kind !== "folder") throw new Error(`${path} is named in a folder that was never made`);
      const name = path.slice(slash + 1);
      if (node === undefined) folder.names.delete(name);
      else folder.names.set(name, node);
      byFolder.set(folder, [...(byFolder.get(folder) ?? []), [name, node]]);
    }
    for (const [folder, change] of byFolder) folder.pending.push({ change, returned: true });
  }

  #file(path: string): File | undefined {
    const node = this.#node(path);
    return node?.kind === "file" ? node : undefined;
  }

  #node(path: string): Node | undefined {
    if (path === this.#root) return this.#top;
    let node: Node | undefined = this.#top;
    for (const name of path.slice(this.#root.length + 1).split("/")) {
      node = node?.kind === "folder" ? node.names.get(name) : undefined;
    }
    return node;
  }
}

function emptyFolder(): Folder {
  return { kind: "folder", names: new Map(), durable: new Map(), pending: [] };
}

function truncate(file: File, size: number): void {
  file.pending.push({ change: { kind: "truncate", size }, returned: true });
  file.size = size;
}

function makeFileDurable(file: File, covered: readonly Unsynced<Change>[]): void {
  const all = new Set(covered);
  file.durable = changed(
    file.durable,
    covered.map(({ change }) => change),
  );
  file.pending = file.pending.filter((unsynced) => !all.has(unsynced));
}

function makeNamesDurable(folder: Folder, covered: readonly Unsynced<Naming>[]): void {
  const all = new Set(covered);
  for (const { change } of covered) rename(folder.durable, change);
  folder.pending = folder.pending.filter((unsynced) => !all.has(unsynced));
}

function rename(names: Map<string, Node>, change: Naming): void {
  for (const [name, node] of change) {
    if (node === undefined) names.delete(name);
    else names.set(name, node);
  }
}

/** What lies between two writes, and was never written, is zeros. */
function changed(before: Buffer, changes: readonly Change[]): Buffer {
  if (changes.length === 0) return before;
  const room = changes.reduce(
    (end, change) => Math.max(end, change.kind === "write" ? change.at + change.bytes.length : change.size),
    before.length,
  );
  const bytes = Buffer.alloc(room);
  before.copy(bytes);
  let size = before.length;
  for (const change of changes) {
    if (change.kind === "write") {
      change.bytes.copy(bytes, change.at);
      size = Math.max(size, change.at + change.bytes.length);
    } else {
      bytes.fill(0, change.size);
      size = change.size;
    }
  }
  return bytes.subarray(0, size);
}

function writeFolder(folder: Folder, path: string, loss: Loss): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const names = new Map(folder.durable);
  for (const { change } of folder.pending) if (loss.keepsNaming()) rename(names, change);
  for (const [name, node] of names) {
    if (node.kind === "folder") writeFolder(node, `${path}/${name}`, loss);
    else writeFileSync(`${path}/${name}`, changed(node.durable, kept(node.pending, loss)), { mode: 0o600 });
  }
}

function kept(pending: readonly Unsynced<Change>[], loss: Loss): readonly Change[] {
  return pending.flatMap(({ change }): readonly Change[] => {
    if (change.kind === "truncate") return loss.keepsTruncation() ? [change] : [];
    const parts: Change[] = [];
    const end = change.at + change.bytes.length;
    for (let at = change.at; at < end;) {
      const next = Math.min(end, at - (at % loss.sectorBytes) + loss.sectorBytes);
      if (loss.keepsSector()) {
        parts.push({ kind: "write", at, bytes: change.bytes.subarray(at - change.at, next - change.at) });
      }
      at = next;
    }
    return parts;
  });
}
