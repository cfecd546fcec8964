/** Peers that send in the smallest pieces, do not read, or do both: memory of the server meanwhile. */
import { type Figure, megabytes, pause } from "./figures.ts";
import { type MeasuredServer, startMeasured } from "./measured-server.ts";
import { startNextHop } from "./next-hop.ts";
import { ResidentPeak } from "./resident-memory.ts";
import { contentOf, SmtpClient } from "./smtp-client.ts";

const part = "slow peers";
const largeOctets = 50_000_000;

export async function measureSlowPeers(sessions: number): Promise<readonly Figure[]> {
  return [
    await singleOctets("content", sessions, "Subject: one octet at a time\r\n\r\n", 64),
    await singleOctets("header section", sessions, "Subject: ", 64),
    await repliesUnread(sessions),
    await nextHopThatStops(sessions),
  ];
}

async function grownBy(work: (server: MeasuredServer) => Promise<void>, nextHopPort = 9): Promise<number> {
  await using server = await startMeasured(nextHopPort);
  await using warm = await SmtpClient.open(server.port);
  await warm.send("box@discard.test", contentOf(4096));
  await pause(500);
  using peak = new ResidentPeak(server.processId);
  await work(server);
  return megabytes(peak.grown);
}

/** `kibibytes` octets of 1,024 each arrive in writes of one, so that every one is a read of its own for the server. */
async function singleOctets(where: string, sessions: number, beginning: string, kibibytes: number): Promise<Figure> {
  const grown = await grownBy(async (server) => {
    const clients = await Promise.all(Array.from({ length: sessions }, () => SmtpClient.open(server.port)));
    for (const client of clients) {
      client.socket.write("MAIL FROM:<sender@client.test>\r\nRCPT TO:<box@discard.test>\r\nDATA\r\n");
      for (const code of ["250", "250", "354"]) await client.expect(code);
      client.socket.write(beginning);
    }
    const one = Buffer.from("x");
    for (let octet = 0; octet < kibibytes * 1024; octet++) {
      for (const { socket } of clients) socket.write(octet % 76 === 75 ? "\n" : octet % 76 === 74 ? "\r" : one);
      // Each turn's writes leave before the next one's, so that none are joined.
      await new Promise(setImmediate);
    }
    for (const client of clients) await client[Symbol.asyncDispose]();
  });
  return {
    part,
    what: `${sessions} clients send ${kibibytes} KiB of ${where} octet by octet: RSS grown`,
    value: grown,
    unit: "MB",
    goal: { atMost: 64 },
  };
}

/** Recipients without end, and not one reply read. Those beyond the limit are refused for now, which nobody counts. */
async function repliesUnread(sessions: number): Promise<Figure> {
  const line = "RCPT TO:<box@discard.test>\r\n";
  const grown = await grownBy(async (server) => {
    const clients = await Promise.all(Array.from({ length: sessions }, () => SmtpClient.open(server.port)));
    const flood = Buffer.from(line.repeat(Math.ceil((16 * 1024 * 1024) / line.length)));
    for (const client of clients) {
      await client.say("MAIL FROM:<sender@client.test>", "250");
      client.socket.pause();
      client.socket.write(flood);
    }
    await pause(5000);
    for (const client of clients) await client[Symbol.asyncDispose]();
  });
  return {
    part,
    what: `${sessions} clients send 16 MiB of RCPT and read no reply: RSS grown`,
    value: grown,
    unit: "MB",
    goal: { atMost: 64 + sessions },
  };
}

/** Messages of 50 MB wait in as many deliveries, each stuck after its first octets. */
async function nextHopThatStops(sessions: number): Promise<Figure> {
  await using nextHop = await startNextHop({ stopReadingAfter: 1 });
  const content = contentOf(largeOctets);
  const grown = await grownBy(async (server) => {
    const clients = await Promise.all(Array.from({ length: sessions }, () => SmtpClient.open(server.port)));
    await Promise.all(clients.map((client) => client.send("box@sink.test", content)));
    await pause(5000);
    for (const client of clients) await client[Symbol.asyncDispose]();
  }, nextHop.port);
  return {
    part,
    what: `${sessions} × 50 MB to a next hop that stops reading: RSS grown`,
    value: grown,
    unit: "MB",
    goal: { atMost: 8 * sessions },
  };
}
