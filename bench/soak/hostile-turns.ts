/**
 * What one stranger can do to everybody's time: each hostile mail of test/system once, to a server that has nothing else to
 * do, with the longest delay of its event loop. To the address for reports, where nothing is owed.
 */
import { hostileMail } from "../../test/system/hostile-mail.ts";
import { SmtpClient } from "../scale/smtp-client.ts";
import { sleep } from "./load.ts";
import { localDomain } from "./mix.ts";
import type { World } from "./world.ts";

export interface HostileTurn {
  readonly name: string;
  readonly longestMs: number;
}

/** The probe writes once a second; whatever was begun is over by then. */
const settleMs = 2500;

export async function hostileTurns(world: World): Promise<readonly HostileTurn[]> {
  const turns: HostileTurn[] = [];
  for (const { name, content } of hostileMail) {
    const bytes = Buffer.from(content(), "latin1");
    await sleep(settleMs);
    world.takeProbe();
    await send(world.doors.mx, bytes);
    await sleep(settleMs);
    turns.push({ name, longestMs: Math.max(0, ...world.takeProbe().map(({ delayMaxMs }) => delayMaxMs)) });
  }
  return turns;
}

/** Refusing it is as good an answer as taking it. */
async function send(port: number, content: Buffer): Promise<void> {
  await using client = await SmtpClient.open(port);
  await client.send(`reports@${localDomain}`, content).catch((error: unknown) => {
    if (!(error instanceof Error && error.message.startsWith("expected 250, got 5"))) throw error;
  });
}
