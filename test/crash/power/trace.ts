/**
 * Reads what strace wrote of a process: every change of its files, and every octet that it sent to anybody, in the one
 * order in which they happened. A call that others overlap has a begin and an end of its own.
 *
 * The tracer stops a thread at both ends of a call and goes through those stops one after the other, so what caused
 * something else stands before it.
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { until } from "../../interop/support/program.ts";

/** What one call did; `path` is absolute. */
export type Call =
  | { readonly kind: "create"; readonly path: string; readonly truncates: boolean }
  | { readonly kind: "makeFolder"; readonly path: string }
  | { readonly kind: "rename"; readonly from: string; readonly to: string }
  | { readonly kind: "remove"; readonly path: string }
  /** `at` undefined: where the last such write ended. */
  | { readonly kind: "write"; readonly path: string; readonly at: number | undefined; readonly bytes: Buffer }
  | { readonly kind: "truncate"; readonly path: string; readonly size: number }
  | { readonly kind: "sync"; readonly path: string }
  /** To a pipe, a socket or a file elsewhere: somebody may know from here on. */
  | { readonly kind: "say"; readonly text: string };

export interface Step {
  readonly edge: "begin" | "end";
  readonly call: Call;
}

const calls =
  "openat,creat,write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,ftruncate,fallocate,truncate," +
  "rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,mkdir,mkdirat,sendto,sendmsg,sync_file_range";

/** Ends the line of a call that others overlap. */
const unfinishedMark = " <unfinished ...>";

/** What to put in front of a program. Its own log goes to `file`; strings are whole, in hexadecimal. */
export function tracer(file: string): readonly string[] {
  const whole = `${64 * 1024 * 1024}`;
  return ["strace", "-D", "-f", "--seccomp-bpf", "-y", "-xx", "-s", whole, "-o", file, "-e", `trace=${calls}`];
}

/**
 * Steps that change what is below `root`, or say something, of a program that has ended. Calls that failed, or never
 * returned, have no end.
 */
export async function readTrace(file: string, root: string): Promise<readonly Step[]> {
  // The tracer is nobody's child and may be a little behind.
  await until("the end of the trace", () => /\+\+\+ (?:exited|killed) [^\n]*\n$/.test(lastOf(file)));
  const steps: Step[] = [];
  const underWay = new Map<string, { readonly text: string; readonly call: Call | undefined }>();
  // Lines of a large trace together exceed what one string may hold.
  for (const line of linesOf(readFileSync(file))) {
    const [, thread = "", rest = ""] = /^(\d+) +(.*)$/s.exec(line) ?? [];
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/s.exec(rest);
    const begun = underWay.get(thread);
    const text = resumed ? `${begun?.text ?? ""}${resumed[1] ?? ""}` : rest;
    if (resumed) underWay.delete(thread);
    const unfinished = text.endsWith(unfinishedMark);
    const call = begun?.call ?? parseCall(unfinished ? text.slice(0, -unfinishedMark.length) : text, root);
    if (!resumed && call !== undefined) steps.push({ edge: "begin", call });
    if (unfinished) underWay.set(thread, { text: text.slice(0, -unfinishedMark.length), call });
    else if (call !== undefined && succeeded(text)) steps.push({ edge: "end", call });
  }
  return steps;
}

function lastOf(file: string): string {
  const descriptor = openSync(file, "r");
  const end = Buffer.alloc(200);
  const length = readSync(descriptor, end, 0, end.length, Math.max(0, fstatSync(descriptor).size - end.length));
  closeSync(descriptor);
  return end.toString("latin1", 0, length);
}

function* linesOf(bytes: Buffer): Iterable<string> {
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(10, at);
    yield bytes.toString("latin1", at, end === -1 ? bytes.length : end);
    if (end === -1) return;
    at = end + 1;
  }
}

function succeeded(text: string): boolean {
  return /\) += \d/.test(text.slice(-400));
}

function parseCall(text: string, root: string): Call | undefined {
  const name = text.slice(0, text.indexOf("("));
  const inside = (path: string | undefined): path is string =>
    path !== undefined && path.startsWith(`${root}/`) && !path.endsWith("-shm");
  switch (name) {
    case "openat": {
      const [path] = pathsOf(text);
      if (!inside(path) || !/O_CREAT|O_TRUNC/.test(text)) return undefined;
      return { kind: "create", path, truncates: text.includes("O_TRUNC") };
    }
    case "mkdir":
    case "mkdirat": {
      const [path] = pathsOf(text);
      return inside(path) ? { kind: "makeFolder", path } : undefined;
    }
    case "rename":
    case "renameat":
    case "renameat2": {
      const [from, to] = pathsOf(text);
      return inside(from) && inside(to) ? { kind: "rename", from, to } : undefined;
    }
    case "unlink":
    case "unlinkat":
    case "rmdir": {
      const [path] = pathsOf(text);
      return inside(path) ? { kind: "remove", path } : undefined;
    }
    case "fsync":
    case "fdatasync": {
      const path = descriptorOf(text);
      return path === root || inside(path) ? { kind: "sync", path } : undefined;
    }
    case "ftruncate": {
      const path = descriptorOf(text);
      const size = Number(/, (\d+)/.exec(text)?.[1]);
      return inside(path) ? { kind: "truncate", path, size } : undefined;
    }
    case "write":
    case "writev":
    case "pwrite64":
    case "sendto":
    case "sendmsg": {
      const path = descriptorOf(text);
      if (path === undefined || path.endsWith("-shm")) return undefined;
      const bytes = Buffer.concat(stringsOf(text));
      if (!path.startsWith(`${root}/`)) return { kind: "say", text: bytes.toString("latin1") };
      const at = name === "pwrite64" ? Number(/, \d+, (\d+)/.exec(text.slice(-80))?.[1]) : undefined;
      return { kind: "write", path, at, bytes };
    }
    case "":
      return undefined;
    default: {
      // Something that this reader does not model would make every image wrong: better no test than a false one.
      const touched = [descriptorOf(text), ...pathsOf(text)];
      if (touched.some((path) => inside(path))) throw new Error(`The trace has a call not modelled: ${name}`);
      return undefined;
    }
  }
}

/** The path of the first descriptor; undefined where the file has no name any more. */
function descriptorOf(text: string): string | undefined {
  const [, path = "", after = ""] = /^\w+\(\d+<([^>]*)>(\(deleted\))?/.exec(text) ?? [];
  if (after !== "") return undefined;
  return unescaped(path);
}

/** Quoted paths; the servers that are traced name their files absolutely. */
function pathsOf(text: string): readonly string[] {
  return stringsOf(text).map((bytes) => bytes.toString("utf8"));
}

function stringsOf(text: string): readonly Buffer[] {
  const found: Buffer[] = [];
  for (let at = text.indexOf('"'); at !== -1;) {
    const end = text.indexOf('"', at + 1);
    found.push(Buffer.from(text.slice(at + 1, end).replaceAll("\\x", ""), "hex"));
    at = text.indexOf('"', end + 1);
  }
  return found;
}

function unescaped(path: string): string {
  return path.includes("\\x") ? Buffer.from(path.replaceAll("\\x", ""), "hex").toString("utf8") : path;
}
