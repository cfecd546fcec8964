/** Thousands of sessions that have said EHLO and then nothing: memory for each, plain and under TLS. */
import { type Figure, megabytes, pause } from "./figures.ts";
import { startMeasured } from "./measured-server.ts";
import { startNextHop } from "./next-hop.ts";
import { openFilesMax, residentBytes } from "./resident-memory.ts";
import { SmtpClient } from "./smtp-client.ts";

const part = "sessions";
/** Opened together; the listener's backlog takes them. */
const openedAtOnce = 100;

export async function measureSessions(wanted: number, say: (text: string) => void): Promise<readonly Figure[]> {
  const sessions = Math.min(wanted, openFilesMax() - 500);
  if (sessions < wanted) say(`only ${sessions} sessions: \`ulimit -Hn\` allows no more files`);
  const figures: Figure[] = [];
  for (const [what, tls, atMost] of [
    ["plain", false, 300],
    ["TLS", true, 800],
  ] as const) {
    await using nextHop = await startNextHop();
    await using server = await startMeasured(nextHop.port);
    const before = residentBytes(server.processId);
    const clients: SmtpClient[] = [];
    const started = performance.now();
    while (clients.length < sessions) {
      const count = Math.min(openedAtOnce, sessions - clients.length);
      clients.push(...(await Promise.all(Array.from({ length: count }, () => SmtpClient.open(server.port, { tls })))));
    }
    const seconds = (performance.now() - started) / 1000;
    await pause(2000);
    const idle = residentBytes(server.processId);
    const stats = await server.get("/queue/stats");
    const name = `${sessions} idle sessions, ${what}`;
    figures.push(
      { part, what: `${name}: RSS`, value: megabytes(idle), unit: "MB", goal: { atMost } },
      { part, what: `${name}: RSS for each`, value: (idle - before) / 1000 / sessions, unit: "kB" },
      { part, what: `${name}: time to open them`, value: seconds, unit: "s" },
      { part, what: `${name}: an API call meanwhile`, value: stats.ms, unit: "ms" },
    );
    for (const client of clients) await client[Symbol.asyncDispose]();
  }
  return figures;
}
