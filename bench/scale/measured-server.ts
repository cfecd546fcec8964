/** The real server (`posthaste serve`, its own process) as the parts of the benchmark start it. */
import { readFileSync } from "node:fs";
import { type PosthasteServer, startPosthaste } from "../../test/interop/support/posthaste.ts";
import { freePort } from "../../test/interop/support/free-port.ts";

export interface MeasuredServer extends AsyncDisposable {
  readonly port: number;
  readonly posthaste: PosthasteServer;
  readonly processId: number;
  /** GET on the admin API: the answer, and how long it took in milliseconds. */
  get(path: string): Promise<{ readonly json: unknown; readonly ms: number }>;
}

/** Takes mail for discard.test and drops it; relays dead.test to `deadPort`, all else to `nextHopPort`. */
export async function startMeasured(nextHopPort: number, deadPort = 9): Promise<MeasuredServer> {
  const port = await freePort();
  const adminPort = await freePort();
  const posthaste = await startPosthaste({
    ports: [port],
    configuration: `
      [[listener]]
      kind = "mx"
      listen = "127.0.0.1:${port}"
      [limits]
      connections = 11000
      message_size = "51MB"
      [relay]
      networks = ["127.0.0.0/8"]
      [[route]]
      domain = "discard.test"
      via = "discard"
      [[route]]
      domain = "dead.test"
      via = "relay"
      host = "127.0.0.2:${deadPort}"
      [[route]]
      domain = "*"
      via = "relay"
      host = "127.0.0.1:${nextHopPort}"
      [log]
      level = "warn"
      [admin]
      listen = "127.0.0.1:${adminPort}"
    `,
  });
  return {
    port,
    posthaste,
    get processId() {
      return posthaste.program.child.pid ?? 0;
    },
    async get(path) {
      const headers = { authorization: `Bearer ${posthaste.adminToken()}` };
      const started = performance.now();
      const response = await fetch(`http://127.0.0.1:${adminPort}/api/v1${path}`, { headers });
      const json: unknown = await response.json();
      if (!response.ok) throw new Error(`${path}: ${response.status} ${JSON.stringify(json)}`);
      return { json, ms: performance.now() - started };
    },
    [Symbol.asyncDispose]: () => posthaste[Symbol.asyncDispose](),
  };
}

/** What this machine is, for the head of the report. */
export function machine(): string {
  const cpu = readFileSync("/proc/cpuinfo", "latin1");
  const model = /^model name\s*:\s*(.*)$/m.exec(cpu)?.[1] ?? "unknown processor";
  const cores = [...cpu.matchAll(/^processor\s*:/gm)].length;
  return `${cores} cores, ${model}, Node ${process.versions.node}`;
}
