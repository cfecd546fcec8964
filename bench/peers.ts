/** What the benchmark starts: the two servers under test, each with the same next hop, and Postfix's own sink. */
import { readdirSync, readFileSync } from "node:fs";
import { startPostfix } from "../test/interop/support/postfix.ts";
import { startPosthaste } from "../test/interop/support/posthaste.ts";
import { freePort, type Program, startProgram, untilListening } from "../test/interop/support/program.ts";

export interface ServerUnderTest extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
  /** Resident memory of all its processes, in octets. What they share is counted once for each. */
  residentBytes(): number;
  /** Resolves when it has finished what it does behind the clients' backs: whoever is measured next starts even. */
  idle(): Promise<void>;
}

/** Both take mail for discard.test and drop it, and relay all else to `sinkPort`. */
export async function startServers(
  sinkPort: number,
): Promise<{ posthaste: ServerUnderTest; postfix: ServerUnderTest }> {
  const port = await freePort();
  const posthaste = await startPosthaste({
    ports: [port],
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
      idle: () => idle(posthaste.program.child.pid ?? 0),
      [Symbol.asyncDispose]: () => posthaste[Symbol.asyncDispose](),
    },
    postfix: {
      name: "Postfix",
      port: postfix.port,
      residentBytes: () => residentBytes(postfix.processId),
      idle: () => idle(postfix.processId),
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

/** Three looks in a row at which next to no processor time was used; a minute at most. */
async function idle(root: number): Promise<void> {
  let before = -Infinity;
  for (let looks = 0, quiet = 0; looks < 300 && quiet < 3; looks++) {
    const ticks = treeOf(root).reduce((sum, process) => sum + process.ticks, 0);
    quiet = ticks - before <= 2 ? quiet + 1 : 0;
    before = ticks;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

interface Process {
  readonly parent: number;
  readonly bytes: number;
  /** Processor time used, in hundredths of a second. */
  readonly ticks: number;
}

/** The process and all its descendants. */
function treeOf(root: number): readonly Process[] {
  const processes = new Map<number, Process>();
  for (const id of readdirNumbers("/proc")) {
    try {
      const stat = readFileSync(`/proc/${id}/stat`, "latin1");
      // Behind the name, which may hold anything: state, parent, … utime, stime (fields 14 and 15).
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const resident = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${id}/status`, "latin1"));
      const ticks = Number(fields[11]) + Number(fields[12]);
      processes.set(id, { parent: Number(fields[1]), bytes: Number(resident?.[1] ?? 0) * 1024, ticks });
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
