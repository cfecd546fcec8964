/** What the benchmark starts: the two servers under test, each with the same next hop, and Postfix's own sink. */
import { readdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { startPostfix } from "../test/interop/support/postfix.ts";
import { startPosthaste } from "../test/interop/support/posthaste.ts";
import { freePort } from "../test/interop/support/free-port.ts";
import { type Program, runProgram, startProgram, untilListening } from "../test/interop/support/program.ts";

export interface ServerUnderTest extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
  /** Resident memory of all its processes, in octets. What they share is counted once for each. */
  residentBytes(): number;
}

/** Both take mail for discard.test and drop it, and relay all else to `sinkPort`. */
export async function startServers(
  sinkPort: number,
): Promise<{ posthaste: ServerUnderTest; postfix: ServerUnderTest }> {
  const port = await freePort();
  const posthaste = await startPosthaste({
    ports: [port],
    // Into a file as Postfix does, and not through a pipe that this process would have to read meanwhile.
    wrap: ["sh", "-c", 'exec "$@" > log', "sh"],
    configuration: `
      [[listener]]
      kind = "mx"
      listen = "127.0.0.1:${port}"
      [limits]
      message_size = "100MB"
      [relay]
      networks = ["127.0.0.0/8"]
      [[route]]
      domain = "discard.test"
      via = "discard"
      [[route]]
      domain = "*"
      via = "relay"
      host = "127.0.0.1:${sinkPort}"
      [admin]
      listen = "127.0.0.1:${await freePort()}"
    `,
  });
  const postfix = await startPostfix({ nextPort: sinkPort, configuration: new URL("postfix/", import.meta.url) });
  return {
    posthaste: {
      name: "Posthaste",
      port,
      residentBytes: () => residentBytes(posthaste.program.child.pid ?? 0),
      [Symbol.asyncDispose]: () => posthaste[Symbol.asyncDispose](),
    },
    postfix: {
      name: "Postfix",
      port: postfix.port,
      residentBytes: () => residentBytes(postfix.processId),
      [Symbol.asyncDispose]: () => postfix[Symbol.asyncDispose](),
    },
  };
}

/** `smtp-sink` ends by itself after `messages`; without it, it runs until stopped. */
export async function startSink(port: number, messages?: number): Promise<Program> {
  const count = messages === undefined ? [] : ["-M", String(messages)];
  const sink = startProgram("smtp-sink", ["-u", "nobody", ...count, `127.0.0.1:${port}`, "1024"]);
  await untilListening(port, sink);
  return sink;
}

function residentBytes(root: number): number {
  return treeOf(root).reduce((sum, { bytes }) => sum + bytes, 0);
}

/**
 * Resolves when the machine does next to nothing and the disk has all that was written, so that whoever is measured next
 * pays neither for what the other server still does behind its clients' backs, nor for the files it has left to the file
 * system to forget, nor for a stranger. False: it did not become quiet within a minute.
 */
export async function quiet(): Promise<boolean> {
  await runProgram("sync", []);
  for (let looks = 0, inRow = 0; looks < 200; looks++) {
    const before = busyMs();
    await new Promise((resolve) => setTimeout(resolve, 300));
    inRow = busyMs() - before < 0.1 * 300 * cpus().length ? inRow + 1 : 0;
    if (inRow === 3) return true;
  }
  return false;
}

function busyMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.sys + times.nice + times.irq, 0);
}

interface Process {
  readonly parent: number;
  readonly bytes: number;
}

/** The process and all its descendants. */
function treeOf(root: number): readonly Process[] {
  const processes = new Map<number, Process>();
  for (const id of readdirNumbers("/proc")) {
    try {
      const status = readFileSync(`/proc/${id}/status`, "latin1");
      const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
      processes.set(id, { parent: field("PPid"), bytes: field("VmRSS") * 1024 });
    } catch {
      // It ended while we looked.
    }
  }
  const within = (id: number): boolean => id === root || (id > 1 && within(processes.get(id)?.parent ?? 0));
  return [...processes].flatMap(([id, process]) => (within(id) ? [process] : []));
}

function readdirNumbers(folder: string): readonly number[] {
  return readdirSync(folder).flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}
