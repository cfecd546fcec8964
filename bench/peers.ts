/** What the benchmark starts: the two servers under test, each with the same next hop, and Postfix's own sink. */
import { readdirSync, readFileSync } from "node:fs";
import { startPostfix } from "../test/interop/support/postfix.ts";
import { startPosthaste } from "../test/interop/support/posthaste.ts";
import { freePort, type Program, startProgram, untilListening } from "../test/interop/support/program.ts";

export interface ServerUnderTest extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
  /** Resident memory of all its processes, in octets. */
  residentBytes(): number;
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

/** Of the process and all its descendants. */
function residentBytes(root: number): number {
  const pages = new Map<number, { readonly parent: number; readonly bytes: number }>();
  for (const id of readdirNumbers("/proc")) {
    try {
      const status = readFileSync(`/proc/${id}/status`, "latin1");
      const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
      pages.set(id, { parent: field("PPid"), bytes: field("VmRSS") * 1024 });
    } catch {
      // It ended while we looked.
    }
  }
  const within = (id: number): boolean => id === root || (id > 1 && within(pages.get(id)?.parent ?? 0));
  return [...pages].reduce((sum, [id, { bytes }]) => (within(id) ? sum + bytes : sum), 0);
}

function readdirNumbers(folder: string): readonly number[] {
  return readdirSync(folder).flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}
