/**
 * A million recipients that are all overdue, as after days without a network, and one relay host for them all: how fast
 * they go, and what is left for fresh mail meanwhile.
 */
import { fillSpool, hourMs } from "./filled-spool.ts";
import { type Figure, megabytes, pause } from "./figures.ts";
import { startMeasured } from "./measured-server.ts";
import { startNextHop } from "./next-hop.ts";
import { residentBytes } from "./resident-memory.ts";
import { acceptRate } from "./smtp-client.ts";

const part = "backlog";

export async function measureBacklog(recipients: number, seconds: number): Promise<readonly Figure[]> {
  await using nextHop = await startNextHop();
  await using server = await startMeasured(nextHop.port);
  const load = { sessions: 20, seconds, octets: 4096 };
  const before = await acceptRate(server.port, "box@discard.test", load);
  await server.posthaste.program.stop();
  await fillSpool(server.posthaste.dataFolder, { scheduled: recipients, firstDueMs: -120 * hourMs });
  const started = performance.now();
  await server.posthaste.restart();
  await nextHop.taken(1);
  const first = ((nextHop.firstMailAt ?? 0) - started) / 1000;
  await pause(2000);
  const relayed = nextHop.messages;
  await pause(seconds * 1000);
  const alone = (nextHop.messages - relayed) / seconds;
  const meanwhile = await acceptRate(server.port, "box@discard.test", load);
  const name = `${recipients} overdue`;
  return [
    { part, what: `${name}: start to first attempt`, value: first, unit: "s", goal: { atMost: 5 } },
    { part, what: `${name}: relayed`, value: alone, unit: "messages/s" },
    { part, what: "accept rate before", value: before, unit: "messages/s" },
    { part, what: `${name}: accept rate while they are relayed`, value: meanwhile, unit: "messages/s" },
    {
      part,
      what: `${name}: RSS after ${2 * seconds + 2} s`,
      value: megabytes(residentBytes(server.processId)),
      unit: "MB",
      goal: { atMost: 400 },
    },
  ];
}
