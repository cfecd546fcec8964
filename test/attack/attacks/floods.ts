/** As much as a connection takes: commands, headers, chunks, and replies that nobody reads. */
import { type Attack, repeatedly, stranger } from "../attack.ts";

const atOnce = 5;

/** Commands without end, sensible and not; with it, replies that are read and that are not. */
export const commandFlood: Attack = {
  name: "command flood",
  run: async (setting) => {
    const kinds = [
      "NOOP\r\n",
      "RSET\r\n",
      "EHLO flood.test\r\n",
      "FOO\r\n",
      "VRFY ann\r\n",
      `NOOP ${"x".repeat(900)}\r\n`,
    ];
    let at = 0;
    let octets = 0;
    const sessions = await repeatedly(atOnce * setting.scale, setting.durationMs, async () => {
      const flight = Buffer.from((kinds[at++ % kinds.length] ?? "").repeat(200));
      using peer = await stranger(setting, "mx");
      if (!(await peer.introduces())) return;
      const endMs = performance.now() + 1000;
      while (performance.now() < endMs && !peer.closed) {
        peer.write(flight);
        octets += flight.length;
        await peer.drained();
      }
    });
    return `${sessions} sessions, ${Math.round(octets / 1e6)} MB of commands`;
  },
};

/** Commands whose replies nobody reads: what waits to be sent is bounded. */
export const unreadReplies: Attack = {
  name: "replies that nobody reads",
  run: async (setting) => {
    const flight = Buffer.from("EHLO flood.test\r\n".repeat(500));
    let octets = 0;
    const sessions = await repeatedly(atOnce * 2 * setting.scale, setting.durationMs, async () => {
      using peer = await stranger(setting, "mx");
      if (!(await peer.introduces())) return;
      peer.socket.pause();
      const endMs = performance.now() + 1000;
      while (performance.now() < endMs && !peer.closed) {
        if (peer.socket.writableLength < 1_000_000) {
          peer.write(flight);
          octets += flight.length;
        }
        await new Promise((resolve) => {
          setTimeout(resolve, 20);
        });
      }
    });
    return `${sessions} sessions, ${Math.round(octets / 1e6)} MB of commands`;
  },
};

/** Header sections of endless fields, endless lines, and endless folding. */
export const headerFlood: Attack = {
  name: "header flood",
  run: async (setting) => {
    const kinds = [
      "X: y\r\n",
      `X-Long: ${"z".repeat(900)}\r\n`,
      " folded\r\n",
      `Received: from a by b;\r\n`,
      "x".repeat(900),
    ];
    let at = 0;
    let octets = 0;
    const sessions = await repeatedly(atOnce * setting.scale, setting.durationMs, async () => {
      const kind = kinds[at++ % kinds.length] ?? "";
      const block = Buffer.from(kind.repeat(Math.ceil(60_000 / kind.length)));
      using peer = await stranger(setting, "mx");
      if (!(await peer.introduces())) return;
      await peer.says("MAIL FROM:<flood@attack.test>");
      await peer.says("RCPT TO:<ann@example.org>");
      if ((await peer.says("DATA"))?.startsWith("354") !== true) return;
      peer.write("Subject: flood\r\n");
      for (let blocks = 0; blocks < 40 && !peer.closed; blocks++) {
        peer.write(block);
        octets += block.length;
        await peer.drained();
      }
    });
    return `${sessions} sessions, ${Math.round(octets / 1e6)} MB of header`;
  },
};

/** Chunks of nothing, of an octet, and of gigabytes that never come. */
export const chunkFlood: Attack = {
  name: "BDAT flood",
  run: async (setting) => {
    const kinds = ["BDAT 0\r\n".repeat(2000), "BDAT 1\r\nx".repeat(2000), `BDAT 49000000\r\n${"x".repeat(60_000)}`];
    let at = 0;
    let octets = 0;
    const sessions = await repeatedly(atOnce * setting.scale, setting.durationMs, async () => {
      const flight = Buffer.from(kinds[at++ % kinds.length] ?? "");
      using peer = await stranger(setting, "mx");
      if (!(await peer.introduces())) return;
      await peer.says("MAIL FROM:<flood@attack.test>");
      await peer.says("RCPT TO:<ann@example.org>");
      const endMs = performance.now() + 1000;
      while (performance.now() < endMs && !peer.closed) {
        peer.write(flight);
        octets += flight.length;
        await peer.drained();
      }
    });
    return `${sessions} sessions, ${Math.round(octets / 1e6)} MB of chunks`;
  },
};
