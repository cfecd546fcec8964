/** Messages of 50 MB through the server: memory while they arrive and while they are relayed, alone and 20 at once. */
import { type Figure, megabytes, pause } from "./figures.ts";
import { type MeasuredServer, startMeasured } from "./measured-server.ts";
import { startNextHop } from "./next-hop.ts";
import { ResidentPeak } from "./resident-memory.ts";
import { contentOf, SmtpClient } from "./smtp-client.ts";

const part = "content";
const largeOctets = 50_000_000;
/** The client writes pieces of this size. */
const pieceOctets = 64 * 1024;

export async function measureContent(atOnce: number): Promise<readonly Figure[]> {
  const content = contentOf(largeOctets);
  const figures: Figure[] = [];
  for (const [what, tls] of [
    ["plain", false],
    ["TLS", true],
  ] as const) {
    await using nextHop = await startNextHop();
    await using server = await startMeasured(nextHop.port);
    // A small message first, over the same kind of connection: what every server has resident after its first session.
    await sendLarge(server, "box@sink.test", contentOf(4096), tls);
    await nextHop.taken(1);
    await pause(500);
    const add = (name: string, seconds: number, grown: number, atMost: number) =>
      figures.push(
        { part, what: `${name}: time`, value: seconds, unit: "s" },
        { part, what: `${name}: RSS grown`, value: megabytes(grown), unit: "MB", goal: { atMost } },
      );
    const accepted = await watched(server, () => sendLarge(server, "box@discard.test", content, tls));
    add(`50 MB in, ${what}`, accepted.seconds, accepted.grown, 32);
    const relayed = await watched(server, async () => {
      await sendLarge(server, "box@sink.test", content, tls);
      await nextHop.taken(2);
    });
    add(`50 MB in and relayed, ${what}`, relayed.seconds, relayed.grown, 32);
    const together = await watched(server, async () => {
      const sessions = Array.from({ length: atOnce }, () => sendLarge(server, "box@sink.test", content, tls));
      await Promise.all(sessions);
      await nextHop.taken(2 + atOnce);
    });
    add(`${atOnce} × 50 MB at once, in and relayed, ${what}`, together.seconds, together.grown, 8 * atOnce);
  }
  return figures;
}

async function watched(
  server: MeasuredServer,
  work: () => Promise<void>,
): Promise<{ readonly seconds: number; readonly grown: number }> {
  using peak = new ResidentPeak(server.processId);
  const started = performance.now();
  await work();
  return { seconds: (performance.now() - started) / 1000, grown: peak.grown };
}

async function sendLarge(server: MeasuredServer, recipient: string, content: Buffer, tls: boolean): Promise<void> {
  await using client = await SmtpClient.open(server.port, { tls });
  await client.say("MAIL FROM:<sender@client.test>", "250");
  await client.say(`RCPT TO:<${recipient}>`, "250");
  await client.say("DATA", "354");
  for (let at = 0; at < content.length; at += pieceOctets) await client.write(content.subarray(at, at + pieceOctets));
  await client.write(".\r\n");
  await client.expect("250");
}
