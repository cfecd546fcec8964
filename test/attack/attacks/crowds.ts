/** Connections in numbers: that come and stay, that come and go, and that leave half of themselves behind. */
import { type Attack, repeatedly, type Setting, sleep, stranger } from "../attack.ts";
import { attacker, serverAddress } from "../networks.ts";
import { Peer } from "../peer.ts";

const openedAtOnce = 50;

/** So many sessions that have said EHLO, and then nothing; gives those that the server has kept. */
export async function idleSessions(setting: Setting, wanted: number, tls: boolean): Promise<readonly Peer[]> {
  const peers: Peer[] = [];
  while (peers.length < wanted) {
    const count = Math.min(openedAtOnce, wanted - peers.length);
    peers.push(...(await Promise.all(Array.from({ length: count }, () => idle(setting, tls)))));
  }
  return peers;
}

async function idle(setting: Setting, tls: boolean): Promise<Peer> {
  const peer = await Peer.open({ host: serverAddress, port: setting.server.doors.mx, from: attacker() });
  if ((await peer.introduces()) && tls) {
    await peer.says("STARTTLS");
    await peer.secure();
    await peer.says("EHLO peer.test");
  }
  return peer;
}

/** More silent connections than the server has file descriptors for. */
export const crowd: Attack = {
  name: "a crowd beyond the file descriptors",
  run: async (setting) => {
    const peers: Peer[] = [];
    const endMs = performance.now() + setting.durationMs;
    while (performance.now() < endMs) {
      if (peers.length < 400)
        peers.push(...(await Promise.all(Array.from({ length: 25 }, () => stranger(setting, "mx")))));
      else for (const peer of peers.splice(0, 25)) peer.socket.destroy();
      await sleep(20);
    }
    const held = peers.filter(({ closed }) => !closed).length;
    for (const peer of peers) peer.socket.destroy();
    return `${peers.length} connections, of which the server held ${held} at the end`;
  },
};

/** Connections that are closed in one direction, or reset, in the middle of things. */
export const halfOpen: Attack = {
  name: "half-open connections",
  run: async (setting) => {
    const beginnings = [
      "",
      "EHLO half.test",
      "EHLO half.test\r\nMAIL FROM:<a@attack.test>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\nSubject: half",
    ];
    let at = 0;
    const count = await repeatedly(10 * setting.scale, setting.durationMs, async () => {
      const turn = at++;
      const peer = await stranger(setting, "mx");
      peer.write(beginnings[turn % beginnings.length] ?? "");
      if (turn % 2 === 0) peer.socket.end();
      else peer.socket.resetAndDestroy();
      await sleep(5);
    });
    return `${count} connections`;
  },
};
